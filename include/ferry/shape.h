// Shape: the lengths of a tensor's axes, outermost first. Up to six without touching the heap.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

#include "ferry/limits.h"
#include "ferry/status.h"

namespace ferry {

class Shape {
 public:
  Shape() = default;  // a scalar
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims);
  Shape(const Shape& other) : Shape(other.dims()) {}
  Shape(Shape&& other) noexcept;
  Shape& operator=(Shape other) noexcept;
  ~Shape() {
    if (rank_ > kInline) delete[] heap_;
  }

  // For dims from outside: no negative axis, rank within limits, and the element count fits 63 bits.
  static Result<Shape> checked(std::span<const int64_t> dims, const Limits& limits = {});

  size_t rank() const { return rank_; }
  int64_t operator[](size_t axis) const { return data()[axis]; }
  int64_t& operator[](size_t axis) { return data()[axis]; }
  std::span<const int64_t> dims() const { return {data(), rank_}; }
  const int64_t* begin() const { return data(); }
  const int64_t* end() const { return data() + rank_; }
  void append(int64_t dim);

  // The product; nullopt where it does not fit 63 bits. Sparse shapes may be that large, dense ones never are.
  std::optional<int64_t> num_elements() const;
  Shape drop_front(size_t axes) const { return Shape(dims().subspan(axes)); }

  std::string to_string() const;  // "[3, 4]"
  friend bool operator==(const Shape& a, const Shape& b);

 private:
  static constexpr size_t kInline = 6;
  const int64_t* data() const { return rank_ > kInline ? heap_ : inline_; }
  int64_t* data() { return rank_ > kInline ? heap_ : inline_; }
  size_t rank_ = 0;
  union {
    int64_t inline_[kInline];
    int64_t* heap_;
  };
};

}  // namespace ferry
