// Values → tensors: lists, and the objects that spell sparse, ragged and exactly typed ones.
#pragma once

#include "formats/json/value.h"

namespace ferry::json {

// Whether an object spells one tensor; else it names several.
bool is_tensor(const Value& object);
// Takes the value's lists.
Result<Tensor> to_tensor(const Text& text, Value& value);
// An object of strings.
Status read_metadata(Value& value, Metadata& out);

}  // namespace ferry::json
