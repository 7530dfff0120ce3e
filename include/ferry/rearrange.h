// rearrange: the elements of dense tensors in other places. Any dtype, strings included. (Of sparse tensors: sparse.h.)
#pragma once

#include <cstdint>
#include <span>

#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/thread_pool.h"

namespace ferry {

// Axis i of the result is axis permutation[i] of x, as tf.transpose; empty reverses the axes.
Result<DenseTensor> transpose(const DenseTensor& x, std::span<const int64_t> permutation = {}, ThreadPool* pool = nullptr);
// `base` with its first entries along one axis replaced by those of x, as many as both have. The other axes are equal.
Result<DenseTensor> overlay(const DenseTensor& base, const DenseTensor& x, size_t axis);

}  // namespace ferry
