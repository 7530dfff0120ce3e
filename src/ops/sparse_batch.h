// Sparse tensors taken apart into one for each row of axis 0, and put together again: what serializing and maps of tensors share.
#pragma once

#include <vector>

#include "ops/coo.h"

namespace ferry::ops {

// A tensor as an element of a variant tensor.
class TensorVariant final : public Object {
 public:
  static constexpr std::string_view kKind = "tensor";
  explicit TensorVariant(Value held) : value(std::move(held)) {}
  std::string_view kind() const override { return kKind; }
  const Value value;
};

struct SparseParts {
  DenseTensor indices;  // int64 [nnz, rank]
  Value values;
  DenseTensor shape;  // int64 [rank]
};

// One for each row; without the first coordinate. The rank is 2 or more, entries are in order and in range.
Result<std::vector<SparseParts>> split_rows(const Coo& x, const Value& values);

// One tensor of shape batch… and the longest of each axis; all have one rank. Outputs: indices, values, shape.
Status put_joined(Call& call, std::span<const SparseParts> parts, const Shape& batch, DType dtype);

}  // namespace ferry::ops
