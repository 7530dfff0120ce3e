#include "wire/json_tree.h"

#include <algorithm>
#include <charconv>

namespace ferry::json {
namespace {

bool spend(Reader& in, uint64_t bytes, uint64_t& left) {
  if (bytes > left) in.fail(limit_exceeded("a JSON document takes too much memory: it has too many members, or nests too deep"));
  left -= std::min(bytes, left);
  return in.ok();
}

// The reader bounds the depth.
void read(Reader& in, Tree& out, uint64_t& left) {
  if (!spend(in, 2 * sizeof(Tree), left)) return;  // a growing vector has room for twice as many
  out.kind = in.peek();
  const char* start = in.at();
  switch (out.kind) {
    case Token::object: {
      in.open();
      std::string key;
      for (bool first = true; in.next_member(first, key);) {
        if (!spend(in, 2 * sizeof(key) + key.size(), left)) return;
        out.keys.push_back(key);
        read(in, out.items.emplace_back(), left);
      }
      break;
    }
    case Token::array:
      in.open();
      for (bool first = true; in.next_element(first);) read(in, out.items.emplace_back(), left);
      break;
    case Token::string:
      in.read_string(out.text);
      spend(in, out.text.size(), left);
      return;
    case Token::number:
    case Token::boolean:
    case Token::null:
    case Token::other:
    case Token::end: in.skip_value(); break;
  }
  if (!in.ok() || !spend(in, static_cast<uint64_t>(in.at() - start), left)) return;
  out.text.assign(start, in.at());
}

}  // namespace

const Tree* Tree::find(std::string_view key) const {
  for (size_t i = keys.size(); i-- > 0;) {
    if (keys[i] == key) return &items[i];
  }
  return nullptr;
}

std::optional<int64_t> Tree::integer() const {
  int64_t out = 0;
  if (kind != Token::number) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::optional<std::vector<int64_t>> Tree::integers() const {
  if (kind != Token::array) return std::nullopt;
  std::vector<int64_t> out;
  for (const Tree& item : items) {
    const auto number = item.integer();
    if (!number) return std::nullopt;
    out.push_back(*number);
  }
  return out;
}

Result<Tree> parse_tree(std::string_view text, uint64_t max_bytes, uint64_t max_depth) {
  Reader in(text, max_depth);
  Tree out;
  read(in, out, max_bytes);
  in.finish();
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

}  // namespace ferry::json
