#include "graph/parse.h"

#include <string>

namespace ferry::graph {

Result<MapEntry> parse_entry(Piece entry) {
  MapEntry out;
  proto::Reader in = entry.reader();
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): out.key = in.text(); break;
      case bytes_tag(2): out.value = piece(in); break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

Result<Attr> parse_attr(Piece entry) {
  FERRY_ASSIGN_OR_RETURN(const MapEntry found, parse_entry(entry));
  return Attr{found.key, AttrValue(found.value.bytes, found.value.base)};
}

Result<std::vector<Attr>> parse_attrs(Piece message, uint32_t field) {
  std::vector<Attr> out;
  proto::Reader in = message.reader();
  while (in.next()) {
    if (in.tag() != bytes_tag(field)) {
      in.skip();
      continue;
    }
    FERRY_ASSIGN_OR_RETURN(Attr attr, parse_attr(piece(in)));
    out.push_back(attr);
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

const AttrValue* find_attr(std::span<const Attr> attrs, std::string_view name) {
  for (size_t i = attrs.size(); i-- > 0;) {
    if (attrs[i].name == name) return &attrs[i].value;
  }
  return nullptr;
}

void Merged::add(Piece part, const Buffer& source) {
  Buffer bytes = share(part.bytes, source);
  if (count_++ == 0) {
    first_ = std::move(bytes);
    base_ = part.base;
    return;
  }
  const Buffer& before = count_ == 2 ? first_ : joined_;
  auto joined = std::make_shared<std::string>();
  joined->reserve(before.size() + bytes.size());
  *joined += before.text();
  *joined += bytes.text();
  joined_ = Buffer::adopt(joined->data(), joined->size(), joined);
}

Status check_depth(uint64_t depth, const Limits& limits) {
  if (depth <= limits.max_nesting) return {};
  return limit_exceeded(concat("messages are nested deeper than ", limits.max_nesting));
}

}  // namespace ferry::graph
