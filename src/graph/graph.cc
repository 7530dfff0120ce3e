// GraphDef  { repeated NodeDef node = 1; VersionDef versions = 4; int32 version = 3 (before there were versions);
//             FunctionDefLibrary library = 2 }
// NodeDef   { string name = 1; string op = 2; repeated string input = 3; string device = 4; map<string, AttrValue> attr = 5 }
#include "ferry/graph.h"

#include <bit>
#include <charconv>

#include "graph/nodes.h"
#include "graph/parse.h"

namespace ferry {
namespace {

using namespace graph;

Result<Versions> parse_versions(Piece message) {
  Versions out;
  proto::Reader in = message.reader();
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(1): out.producer = in.int32(); break;
      case varint_tag(2): out.min_consumer = in.int32(); break;
      case varint_tag(3): out.bad_consumers.push_back(in.int32()); break;
      case bytes_tag(3):
        if (!proto::for_each_varint(in.bytes(), [&](uint64_t v) { out.bad_consumers.push_back(static_cast<int32_t>(v)); }))
          return data_loss_at(in.field_offset(), "bad_consumers are cut off");
        break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

std::optional<int32_t> parse_index(std::string_view text) {
  int32_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || text[0] == '-') return std::nullopt;
  return out;
}

}  // namespace

Result<InputRef> parse_input(std::string_view text) {
  const auto bad = [&] {
    return data_loss(concat("the input ", quoted(text), " names no tensor, expected \"node\", \"node:1\", \"node:output:1\" or \"^node\""));
  };
  InputRef out;
  if (text.starts_with('^')) {
    out.control = true;
    out.index = -1;
    out.node = text.substr(1);
    if (out.node.empty() || out.node.find(':') != text.npos) return bad();
    return out;
  }
  const size_t colon = text.find(':');
  out.node = text.substr(0, colon);
  if (out.node.empty()) return bad();
  if (colon == text.npos) return out;
  std::string_view rest = text.substr(colon + 1);
  if (const auto index = parse_index(rest)) {
    out.index = *index;
    return out;
  }
  const size_t second = rest.find(':');
  out.output = rest.substr(0, second);
  if (out.output.empty()) return bad();
  if (second == rest.npos) return out;
  const auto index = parse_index(rest.substr(second + 1));
  if (!index) return bad();
  out.index = *index;
  return out;
}

// ---- Node

const AttrValue* Node::find(std::string_view attr) const { return graph::find_attr(attrs, attr); }

namespace {
Status about(const Node& node, std::string_view attr, const Status& status) {
  return status.with_context(concat("node ", quoted(node.name), " (", node.op, "), attribute ", quoted(attr)));
}
template <class T, class Read>
Result<T> attr_or(const Node& node, std::string_view attr, const std::optional<T>& otherwise, Read&& read) {
  const AttrValue* value = node.find(attr);
  if (value == nullptr) {
    if (otherwise) return *otherwise;
    return data_loss_at(node.offset, concat("node ", quoted(node.name), " (", node.op, ") has no attribute ", quoted(attr)));
  }
  auto out = read(*value);
  if (!out.ok()) return about(node, attr, out.status());
  return out;
}
}  // namespace

Result<std::string_view> Node::text(std::string_view attr, std::optional<std::string_view> otherwise) const {
  return attr_or(*this, attr, otherwise, [](const AttrValue& value) { return value.text(); });
}
Result<int64_t> Node::integer(std::string_view attr, std::optional<int64_t> otherwise) const {
  return attr_or(*this, attr, otherwise, [](const AttrValue& value) { return value.integer(); });
}
Result<float> Node::number(std::string_view attr, std::optional<float> otherwise) const {
  return attr_or(*this, attr, otherwise, [](const AttrValue& value) { return value.number(); });
}
Result<bool> Node::boolean(std::string_view attr, std::optional<bool> otherwise) const {
  return attr_or(*this, attr, otherwise, [](const AttrValue& value) { return value.boolean(); });
}
Result<DType> Node::type(std::string_view attr, std::optional<DType> otherwise) const {
  return attr_or(*this, attr, otherwise, [](const AttrValue& value) { return value.type(); });
}
Result<PartialShape> Node::shape(std::string_view attr, std::optional<PartialShape> otherwise) const {
  return attr_or(*this, attr, otherwise, [](const AttrValue& value) { return value.shape(); });
}
Result<FunctionCall> Node::func(std::string_view attr) const {
  return attr_or(*this, attr, std::optional<FunctionCall>(), [](const AttrValue& value) { return value.func(); });
}

// ---- Nodes

Status NodesParser::add(Piece message, const Limits& limits) {
  Nodes& out = out_;
  Node node;
  node.offset = message.base;
  const size_t first_attr = out.attrs_.size();
  Counts counts;
  proto::Reader in = message.reader();
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): node.name = in.text(); break;
      case bytes_tag(2): node.op = in.text(); break;
      case bytes_tag(3): {
        const std::string_view input = in.text();
        if (input.empty() && in.ok())
          return data_loss_at(in.field_offset(), concat("node ", quoted(node.name), " has an input without a name"));
        out.inputs_.push_back(input);
        ++counts.inputs;
        break;
      }
      case bytes_tag(4): node.device = in.text(); break;
      case bytes_tag(5): {
        const Piece entry = piece(in);
        FERRY_RETURN_IF_ERROR(in.status());
        FERRY_ASSIGN_OR_RETURN(const Attr attr, parse_attr(entry));
        if (attr.name.empty())
          return data_loss_at(in.field_offset(), concat("node ", quoted(node.name), " has an attribute without a name"));
        out.attrs_.push_back(attr);
        break;
      }
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  counts.attrs = static_cast<uint32_t>(out.attrs_.size() - first_attr);
  if (node.name.empty()) return data_loss_at(message.base, "a node without a name");
  if (node.op.empty()) return data_loss_at(message.base, concat("node ", quoted(node.name), " has no op"));
  if (node.name.size() > limits.max_name_bytes) return limit_exceeded(concat("a node's name of ", node.name.size(), " bytes"));
  if (out.nodes_.size() >= limits.max_tensors) return limit_exceeded(concat("more than ", limits.max_tensors, " nodes"));
  out.nodes_.push_back(node);
  counts_.push_back(counts);
  return {};
}

Result<Nodes> NodesParser::finish() && {
  size_t input = 0, attr = 0;
  const size_t count = out_.nodes_.size();
  out_.slots_.assign(std::bit_ceil(2 * count + 1), 0);
  for (size_t i = 0; i < count; ++i) {
    Node& node = out_.nodes_[i];
    node.inputs = {out_.inputs_.data() + input, counts_[i].inputs};
    node.attrs = {out_.attrs_.data() + attr, counts_[i].attrs};
    input += counts_[i].inputs;
    attr += counts_[i].attrs;
    uint32_t& slot = slot_of(out_.slots_, node.name, [&](size_t k) { return out_.nodes_[k].name; });
    if (slot != 0) return data_loss_at(node.offset, concat("two nodes are named ", quoted(node.name)));
    slot = static_cast<uint32_t>(i + 1);
  }
  return std::move(out_);
}

std::optional<size_t> Nodes::find(std::string_view name) const {
  if (slots_.empty()) return std::nullopt;
  const uint32_t slot = slot_of(slots_, name, [&](size_t k) { return nodes_[k].name; });
  return slot == 0 ? std::nullopt : std::optional<size_t>(slot - 1);
}

// ---- Graph

Result<Graph> Graph::parse(Buffer bytes, uint64_t base, const Limits& limits) {
  Graph out;
  out.bytes_ = std::move(bytes);
  out.library_.bytes_ = out.bytes_;
  out.library_.limits_ = limits;
  NodesParser nodes;
  bool has_versions = false;
  int32_t version = 0;
  proto::Reader in(out.bytes_.bytes(), base);
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): {
        const Piece node = piece(in);
        FERRY_RETURN_IF_ERROR(in.status());
        FERRY_RETURN_IF_ERROR(nodes.add(node, limits));
        break;
      }
      case bytes_tag(2): {
        const Piece library = piece(in);
        FERRY_RETURN_IF_ERROR(in.status());
        FERRY_RETURN_IF_ERROR(out.library_.add(library.bytes, library.base, limits));
        break;
      }
      case varint_tag(3): version = in.int32(); break;
      case bytes_tag(4): {
        const Piece versions = piece(in);
        FERRY_RETURN_IF_ERROR(in.status());
        FERRY_ASSIGN_OR_RETURN(out.versions_, parse_versions(versions));
        has_versions = true;
        break;
      }
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  if (!has_versions) out.versions_.producer = version;
  FERRY_ASSIGN_OR_RETURN(out.nodes_, std::move(nodes).finish());
  FERRY_RETURN_IF_ERROR(out.library_.index());
  return out;
}

const Node* Graph::find(std::string_view name) const {
  const auto i = nodes_.find(name);
  return i ? &nodes_[*i] : nullptr;
}

}  // namespace ferry
