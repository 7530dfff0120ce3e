// What ops need that only put elements in other places: any dtype, strings, handles and variants alike.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/kernel.h"

namespace ferry::ops {

// An axis from outside, counted from the end where it is negative; an error outside of [-rank, rank).
Result<size_t> axis_of(int64_t axis, size_t rank);
// Elements of the axes [begin, end). Right wherever the whole shape has elements; without meaning, but defined, where it has none.
int64_t product(const Shape& shape, size_t begin, size_t end);
inline int64_t product(const Shape& shape) { return product(shape, 0, shape.rank()); }
// The same elements under another shape, whatever they are.
Result<Value> reshaped(const Value& value, Shape shape);
// Output `i`, int32 or int64 as the node says, out of `values`; an error where one does not fit.
Status give_integers(Call& call, size_t i, const Shape& shape, std::span<const int64_t> values);

// Elements on their way into one output of a call, in the order of that output. The shape and the limits are checked at the start;
// just as many elements must follow.
class Mover {
 public:
  static Result<Mover> into(Call& call, size_t output, DType dtype, const Shape& shape);

  // `count` elements of `from`, which has the output's dtype, from element `begin` on and `step` elements apart (0: one of them often).
  void take(const Value& from, int64_t begin, int64_t count, int64_t step = 1) {
    if (width_ == 0) return take_others(from, begin, count, step);
    copy(static_cast<const std::byte*>(from.tensor().raw()), begin, count, step);
  }
  // Zeros, empty strings, handles of nothing.
  void take_zeros(int64_t count);
  Status finish() &&;

 private:
  Mover(Call& call, size_t output, DType dtype, Shape shape) : call_(&call), output_(output), dtype_(dtype), shape_(std::move(shape)) {}
  void copy(const std::byte* from, int64_t begin, int64_t count, int64_t step);
  void take_others(const Value& from, int64_t begin, int64_t count, int64_t step);
  bool append_bytes(const char* bytes, int64_t size);

  Call* call_;
  size_t output_;
  DType dtype_;
  Shape shape_;
  size_t width_ = 0;                            // bytes an element; 0: strings and objects
  std::byte *next_ = nullptr, *end_ = nullptr;  // of fixed-size elements
  // Strings.
  MutableBuffer offsets_, bytes_;
  int64_t at_ = 0, used_ = 0;
  std::vector<ObjectRef> objects_;
  Status status_;
};

// A box of elements as loops of steps, outermost first; neighbours that are walked in one stride are one loop.
class Walk {
 public:
  void axis(int64_t length, int64_t step) {
    empty_ |= length == 0;
    if (length == 1) return;
    const size_t rank = lengths_.rank();
    if (rank > 0 && !empty_ && steps_[rank - 1] == length * step) {
      lengths_[rank - 1] *= length;
      steps_[rank - 1] = step;
      return;
    }
    lengths_.append(length);
    steps_.append(step);
  }
  // Calls row(begin, count, step) for each innermost loop.
  template <class Row>
  void for_each_row(int64_t begin, Row&& row) const {
    if (empty_) return;
    const size_t rank = lengths_.rank();
    if (rank == 0) return row(begin, int64_t{1}, int64_t{1});
    const size_t inner = rank - 1;
    std::vector<int64_t> at(inner, 0);
    while (true) {
      row(begin, lengths_[inner], steps_[inner]);
      size_t axis = inner;
      while (true) {
        if (axis == 0) return;
        --axis;
        begin += steps_[axis];
        if (++at[axis] < lengths_[axis]) break;
        begin -= steps_[axis] * lengths_[axis];
        at[axis] = 0;
      }
    }
  }

 private:
  Shape lengths_, steps_;
  bool empty_ = false;
};

inline void take(Mover& to, const Value& from, const Walk& walk, int64_t begin = 0) {
  walk.for_each_row(begin, [&](int64_t at, int64_t count, int64_t step) { to.take(from, at, count, step); });
}

}  // namespace ferry::ops
