#include "formats/json/value.h"

#include <unordered_set>

namespace ferry::json {

const Value* Value::find(std::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

bool is_splits_key(std::string_view key) { return key.starts_with("row_splits") || key.starts_with("nested_row_splits"); }

bool is_tensor_key(std::string_view key) {
  for (std::string_view known :
       {"indices", "values", "data", "dense_shape", "shape", "indptr", "dtype", "layout", "index_dtype", "metadata", "flat_values"}) {
    if (key == known) return true;
  }
  return is_splits_key(key);
}

Value read_value(Text& text, std::optional<DType> hint) {
  Reader& in = text.in;
  Value out;
  if (in.peek() == Token::object) {
    out.offset = in.offset();
    read_object(text, out);
    return out;
  }
  out.offset = in.offset();
  out.list = ListBuilder(text.options.numbers, hint);
  out.list.read(in);
  return out;
}

void read_object(Text& text, Value& out) {
  Reader& in = text.in;
  const Limits& limits = text.options.limits;
  {
    // {"b64": …} alone is a string.
    Reader ahead = in;
    std::string key;
    ahead.open();
    bool first = true;
    if (ahead.next_member(first, key) && key == "b64" && ahead.peek() == Token::string) {
      ahead.read_string(key);
      if (ahead.ok() && !ahead.next_member(first, key)) {
        out.list.read(in);
        return;
      }
    }
  }
  out.is_object = true;
  std::optional<DType> hint;
  in.open();
  std::string key;
  std::unordered_set<std::string> seen;
  for (bool first = true; in.next_member(first, key);) {
    if (!seen.insert(key).second) return in.fail(concat("the name ", quoted(key), " stands twice in one object"));
    if (out.members.size() >= limits.max_tensors) return in.fail("an object has more members than max_tensors");
    if (key.size() > limits.max_name_bytes) return in.fail(concat("a name of ", key.size(), " bytes exceeds max_name_bytes"));
    const bool values = key == "values" || key == "data" || key == "flat_values";
    Value value = read_value(text, values ? hint : std::nullopt);
    if (!in.ok()) return;
    if (key == "dtype") {
      if (const auto name = value.list.scalar_string()) hint = dtype_from_name(*name);
    }
    out.members.push_back({key, std::move(value)});
  }
}

}  // namespace ferry::json
