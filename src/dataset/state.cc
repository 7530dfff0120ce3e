#include "dataset/state.h"

#include <algorithm>
#include <charconv>

#include "wire/json.h"
#include "wire/json_tree.h"

namespace ferry::dataset {
namespace {

constexpr int64_t kVersion = 1;
constexpr std::string_view kVersionKey = "tensorferry_dataset";

void append_numbers(std::string& out, std::string_view key, const std::vector<uint64_t>& numbers) {
  out += concat(",\"", key, "\":[");
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) out += ',';
    json::append_integer(out, numbers[i]);
  }
  out += ']';
}

Status wrong(std::string_view what) { return invalid_argument(concat("this is no state of a dataset: ", what)); }

// json::Tree keeps numbers as they stand in the text, so that all 64 bits of a seed are there.
Result<uint64_t> number(const json::Tree* tree, std::string_view what) {
  uint64_t out = 0;
  if (tree == nullptr || !tree->is(json::Token::number)) return wrong(concat(what, " is no number"));
  const char* const end = tree->text.data() + tree->text.size();
  const auto [at, error] = std::from_chars(tree->text.data(), end, out);
  if (error != std::errc() || at != end) return wrong(concat(what, " is ", quoted(tree->text)));
  return out;
}

Result<std::vector<uint64_t>> numbers(const json::Tree& root, std::string_view key) {
  const json::Tree* list = root.find(key);
  if (list == nullptr || !list->is(json::Token::array)) return wrong(concat("it has no list ", key));
  std::vector<uint64_t> out;
  for (const json::Tree& item : list->items) {
    FERRY_ASSIGN_OR_RETURN(const uint64_t value, number(&item, key));
    out.push_back(value);
  }
  return out;
}

Result<bool> boolean(const json::Tree& root, std::string_view key) {
  const json::Tree* value = root.find(key);
  if (value == nullptr || !value->is(json::Token::boolean)) return wrong(concat("it does not say ", key));
  return value->text == "true";
}

}  // namespace

std::string state_text(const State& state) {
  std::string out = concat("{\"", kVersionKey, "\":", kVersion, ",\"stages\":[");
  for (size_t i = 0; i < state.stages.size(); ++i) {
    if (i > 0) out += ',';
    json::append_string(out, state.stages[i]);
  }
  out += concat("],\"epoch\":", state.epoch, ",\"begun\":", state.begun, ",\"ended\":", state.ended);
  append_numbers(out, "position", state.position);
  append_numbers(out, "sizes", state.sizes);
  append_numbers(out, "drawn", state.drawn);
  return out + "}";
}

Result<State> state_from_text(std::string_view text) {
  FERRY_ASSIGN_OR_RETURN(const json::Tree root, json::parse_tree(text));
  if (!root.is(json::Token::object)) return wrong("it is no JSON object");
  FERRY_ASSIGN_OR_RETURN(const uint64_t version, number(root.find(kVersionKey), kVersionKey));
  if (version != kVersion) return unsupported(concat("the state is of version ", version, ", this library knows version ", kVersion));
  State out;
  const json::Tree* stages = root.find("stages");
  if (stages == nullptr || !stages->is(json::Token::array)) return wrong("it names no stages");
  for (const json::Tree& stage : stages->items) {
    if (!stage.is(json::Token::string)) return wrong("a stage is no text");
    out.stages.push_back(stage.text);
  }
  FERRY_ASSIGN_OR_RETURN(out.epoch, number(root.find("epoch"), "epoch"));
  FERRY_ASSIGN_OR_RETURN(out.begun, boolean(root, "begun"));
  FERRY_ASSIGN_OR_RETURN(out.ended, boolean(root, "ended"));
  FERRY_ASSIGN_OR_RETURN(out.position, numbers(root, "position"));
  FERRY_ASSIGN_OR_RETURN(out.sizes, numbers(root, "sizes"));
  FERRY_ASSIGN_OR_RETURN(out.drawn, numbers(root, "drawn"));
  return out;
}

Status check_same_stages(const State& given, const State& ours) {
  for (size_t i = 0; i < std::max(given.stages.size(), ours.stages.size()); ++i) {
    const std::string_view theirs = i < given.stages.size() ? std::string_view(given.stages[i]) : "nothing";
    const std::string_view mine = i < ours.stages.size() ? std::string_view(ours.stages[i]) : "nothing";
    if (theirs == mine) continue;
    return invalid_argument(concat("the state is of another pipeline: its stage ", i + 1, " is ", quoted(theirs), ", here it is ",
                                   quoted(mine), "; restore it with the dataset it was taken from"));
  }
  return {};
}

}  // namespace ferry::dataset
