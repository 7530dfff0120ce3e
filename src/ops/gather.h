// Gathering, for ops on tensors and on variables.
#pragma once

#include "ops/move.h"

namespace ferry::ops {

// What happens to an index outside: an error, or nothing (zeros in its place).
enum class BadIndex : uint8_t { error, ignore };
Result<BadIndex> bad_index_policy(const NodeInfo& node);

// Output 0: what the indices, an input of the call, name of `params`.
Status gather(Call& call, const Value& params, size_t indices, int64_t axis, int64_t batch_dims);
Status gather_nd(Call& call, const Value& params, size_t indices, BadIndex bad);
// For messages: where element `i` of a tensor of that shape stands, "1,0".
std::string place_of(const Shape& shape, int64_t i);

}  // namespace ferry::ops
