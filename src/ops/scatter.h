// Rows of updates that go to places of a tensor: what ScatterNd, TensorScatter*, Scatter* and ResourceScatter* share.
#pragma once

#include <vector>

#include "ops/gather.h"
#include "ops/move.h"

namespace ferry::ops {

enum class Combine : uint8_t { update, add, subtract, multiply, divide, maximum, minimum };

// Where rows of `below` elements go: the target's row for each row of updates, -1 for one that goes nowhere.
struct ScatterPlan {
  std::vector<int64_t> rows;
  int64_t below = 1;
  bool one_for_all = false;  // the updates are one element
};

// Indices and updates are inputs of the call. The last axis of the indices, where there is more than one, indexes axes of the target…
Result<ScatterPlan> plan_scatter_nd(const Call& call, size_t indices, size_t updates, const Shape& target, BadIndex bad);
// …or each of them is a row of it, and the updates may be a scalar.
Result<ScatterPlan> plan_scatter_rows(const Call& call, size_t indices, size_t updates, const Shape& target);

// In place, `elements` of the updates' dtype. Checks what can fail before it writes. Not for strings.
Status scatter(Combine how, const ScatterPlan& plan, const DenseTensor& updates, std::byte* elements, std::string_view op);
Result<DenseTensor> scattered_strings(Call& call, Combine how, const ScatterPlan& plan, const Value* base, const Shape& shape,
                                      StringsView updates);
// As a new tensor, of any dtype; `base` null: zeros. Strings know update and add.
Status give_scattered(Call& call, Combine how, const ScatterPlan& plan, const Value* base, const Shape& shape, const Value& updates);

}  // namespace ferry::ops
