// Moving entries about, whatever their dtype: what sort, coalesce and the layout changes have in common. Internal.
#pragma once

#include <cstdint>
#include <span>

#include "ferry/tensor.h"
#include "ferry/thread_pool.h"

namespace ferry {

inline constexpr int64_t kGrain = 1 << 15;  // entries a piece: below this a thread costs more than it brings

// values[positions[i]] for each i, as a vector. Every position is within `values`, which has one axis.
template <class Position>
Result<DenseTensor> gather_values(const DenseTensor& values, std::span<const Position> positions, ThreadPool* pool = nullptr);

// rows[positions[i]] of an int64 [n, rank] array.
template <class Position>
Result<DenseTensor> gather_coordinates(const int64_t* rows, size_t rank, std::span<const Position> positions, ThreadPool* pool = nullptr);

// How dtypes add up, and which of them have an order. Not for strings.
bool can_sum(DType dtype);
bool can_order(DType dtype);

// "entries 3 and 7 are both at [0, 1]".
std::string same_place(int64_t first, int64_t second, const Shape& at);

// Wraps int64 or int32 numbers in a buffer as the vector they are.
template <class T>
Result<DenseTensor> to_vector(MutableBuffer buffer) {
  const auto count = static_cast<int64_t>(buffer.size() / sizeof(T));
  return DenseTensor::make(dtype_of<T>(), Shape{count}, std::move(buffer).freeze());
}

}  // namespace ferry
