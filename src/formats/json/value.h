// A JSON value as read: what objects are made of, before it is known which of them are tensors.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/json/json.h"
#include "formats/json/list.h"

namespace ferry::json {

// What is read, and where.
struct Text {
  std::string_view all;
  const ParseOptions& options;
  Reader in;
};

struct Member;

// A value as read: a list (or scalar), or an object of further values.
struct Value {
  uint64_t offset = 0;
  bool is_object = false;
  ListBuilder list;
  std::vector<Member> members;

  const Value* find(std::string_view key) const;
  Value* find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }
};

struct Member {
  std::string key;
  Value value;
};

// What stands next. `hint`: the dtype that its numbers will have, as far as is known yet.
Value read_value(Text& text, std::optional<DType> hint = std::nullopt);
void read_object(Text& text, Value& out);

// The words that objects of composite tensors are made of.
bool is_tensor_key(std::string_view key);
bool is_splits_key(std::string_view key);

// An error that does not say where, at the place of `value`.
template <class T>
Result<T> at(Result<T> result, const Value& value) {
  if (result.ok() || result.status().offset()) return result;
  return Status(result.status().code(), std::string(result.status().message()), value.offset);
}

}  // namespace ferry::json
