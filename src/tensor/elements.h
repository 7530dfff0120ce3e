// Moving whole elements whatever their dtype, strings included: what slices, gathers and concats are made of.
#pragma once

#include <span>

#include "ferry/buffer.h"
#include "ferry/tensor.h"
#include "ferry/thread_pool.h"

namespace ferry::elements {

// `count` rows of axis 0 from row `begin` on, which land at row `out` of the result.
struct Run {
  int64_t begin, count, out;
};

// The rows of axis 0 named, in that order. Positions are within x: the caller's promise, here and below.
Result<DenseTensor> take(const DenseTensor& x, std::span<const int64_t> positions, ThreadPool* pool = nullptr);
// The runs one after another: each `out` is the sum of the counts before it, and `total` of all.
Result<DenseTensor> take_runs(const DenseTensor& x, std::span<const Run> runs, int64_t total, ThreadPool* pool = nullptr);
// End to end along axis 0. At least one part; dtypes and inner axes agree.
Result<DenseTensor> join(std::span<const DenseTensor> parts);

// A filled buffer as a tensor of T.
template <class T>
Result<DenseTensor> freeze(MutableBuffer buffer, Shape shape) {
  return DenseTensor::make(dtype_of<T>(), std::move(shape), std::move(buffer).freeze());
}
template <class T>
Result<DenseTensor> freeze(MutableBuffer buffer) {
  const Shape shape{static_cast<int64_t>(buffer.size() / sizeof(T))};
  return freeze<T>(std::move(buffer), shape);
}

// f(TypeTag<int32_t>) or f(TypeTag<int64_t>): the two dtypes that indices and splits come in.
template <class F>
decltype(auto) visit_index(DType dtype, F&& f) {
  if (dtype == DType::int32) return f(TypeTag<int32_t>{});
  FERRY_ASSERT(dtype == DType::int64);
  return f(TypeTag<int64_t>{});
}

}  // namespace ferry::elements
