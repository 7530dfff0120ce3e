#include "ferry/shape.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ferry/checked.h"

namespace ferry {

Shape::Shape(std::span<const int64_t> dims) : rank_(dims.size()) {
  if (rank_ > kInline) heap_ = new int64_t[rank_];
  std::copy(dims.begin(), dims.end(), data());
}

Shape::Shape(Shape&& other) noexcept : rank_(std::exchange(other.rank_, 0)) {
  if (rank_ > kInline) {
    heap_ = other.heap_;
  } else {
    std::copy_n(other.inline_, rank_, inline_);
  }
}

Shape& Shape::operator=(Shape other) noexcept {
  if (rank_ > kInline) delete[] heap_;
  rank_ = std::exchange(other.rank_, 0);
  if (rank_ > kInline) {
    heap_ = other.heap_;
  } else {
    std::copy_n(other.inline_, rank_, inline_);
  }
  return *this;
}

Result<Shape> Shape::checked(std::span<const int64_t> dims, const Limits& limits) {
  if (dims.size() > limits.max_rank) {
    return limit_exceeded(concat("rank ", dims.size(), " exceeds the limit of ", limits.max_rank, " (max_rank)"));
  }
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    if (dims[axis] < 0) return invalid_argument(concat("axis ", axis, " has the negative length ", dims[axis]));
  }
  Shape shape(dims);
  if (!shape.num_elements()) {
    return invalid_argument(concat("shape ", shape.to_string(), " has more elements than 63 bits can count"));
  }
  return shape;
}

void Shape::append(int64_t dim) {
  if (rank_ < kInline) {
    inline_[rank_++] = dim;
    return;
  }
  auto* grown = new int64_t[rank_ + 1];
  std::copy_n(data(), rank_, grown);
  grown[rank_] = dim;
  if (rank_ > kInline) delete[] heap_;
  heap_ = grown;
  ++rank_;
}

std::optional<int64_t> Shape::num_elements() const {
  // A zero anywhere makes the product zero, however large the other axes are.
  int64_t count = 1;
  bool overflow = false;
  for (int64_t dim : dims()) {
    if (dim == 0) return 0;
    overflow |= __builtin_mul_overflow(count, dim, &count);
  }
  if (overflow) return std::nullopt;
  return count;
}

std::string Shape::to_string() const {
  std::string out = "[";
  for (size_t axis = 0; axis < rank_; ++axis) {
    if (axis > 0) out += ", ";
    out += concat(data()[axis]);
  }
  return out + "]";
}

bool operator==(const Shape& a, const Shape& b) { return std::ranges::equal(a.dims(), b.dims()); }

}  // namespace ferry
