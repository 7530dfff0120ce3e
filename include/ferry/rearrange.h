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
// Places [begin, begin + size) of one axis. Of the outermost axis a view.
Result<DenseTensor> cut(const DenseTensor& x, size_t axis, int64_t begin, int64_t size);
// One or more end to end along an axis; dtypes and the other axes are equal.
Result<DenseTensor> join(std::span<const DenseTensor> parts, size_t axis);

}  // namespace ferry
