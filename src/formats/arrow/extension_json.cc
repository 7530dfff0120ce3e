#include "formats/arrow/extension_json.h"

namespace ferry::arrow {

Result<json::Tree> parse_extension(std::string_view text) {
  constexpr size_t kMaxText = 1 << 20;
  if (text.size() > kMaxText)
    return limit_exceeded(concat("extension metadata of ", text.size(), " bytes, at most ", kMaxText, " are read"));
  auto tree = json::parse_tree(text);
  if (!tree.ok()) return tree.status().with_context("extension metadata");
  return tree;
}

std::optional<std::vector<int64_t>> numbers_of(const json::Tree& list) {
  if (!list.is(json::Token::array)) return std::nullopt;
  std::vector<int64_t> out;
  for (const json::Tree& item : list.items) {
    const auto number = item.is(json::Token::null) ? std::optional<int64_t>(-1) : item.integer();
    if (!number) return std::nullopt;
    out.push_back(*number);
  }
  return out;
}

std::string json_list(std::span<const int64_t> numbers) {
  std::string out = "[";
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) out += ',';
    out += numbers[i] < 0 ? std::string("null") : concat(numbers[i]);
  }
  return out + "]";
}

}  // namespace ferry::arrow
