// Elements picked by strides: permuted tensors, and the deprecated Tensor messages.
#pragma once

#include <cstdint>
#include <span>

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"

namespace ferry::arrow {

// Element [i, j, …] lies at start + i * strides[0] + j * strides[1] + … bytes into `data`; all are checked to lie within.
// The result is C order; `data` itself where it is already.
Result<DenseTensor> gather_strided(DType dtype, const Shape& shape, std::span<const int64_t> strides, const Buffer& data,
                                   const Limits& limits);

// `flat` read as [outer, dims…, block]: axis i of the result's middle is axis permutation[i] of dims. Any dtype.
Result<DenseTensor> permute_middle(const DenseTensor& flat, int64_t outer, std::span<const int64_t> dims,
                                   std::span<const int64_t> permutation, int64_t block, const Limits& limits);

// Whether these are each of 0 … n-1 once.
bool is_permutation(std::span<const int64_t> permutation);
bool is_identity(std::span<const int64_t> permutation);

}  // namespace ferry::arrow
