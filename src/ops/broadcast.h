// NumPy's broadcasting of two shapes, brought to the fewest axes.
#pragma once

#include <cstdint>

#include "ferry/shape.h"
#include "ferry/status.h"

namespace ferry::ops {

// The result as `rank` loops, innermost last: lengths and the steps of each side in elements, 0 where it is repeated. Axes that both
// sides walk in one stride are one axis here, so that the innermost loop is as long as it can be.
struct Broadcast {
  Shape out;
  static constexpr size_t kMostAxes = 16;
  size_t rank = 0;
  int64_t length[kMostAxes], step_a[kMostAxes], step_b[kMostAxes];

  // TensorFlow's words where the shapes do not fit.
  static Result<Broadcast> of(const Shape& a, const Shape& b);

  // Calls row(at_a, at_b, at_out) for the start of each innermost run, which has length[rank - 1] elements.
  template <class Row>
  void for_each_row(Row&& row) const {
    if (out_count() == 0) return;
    if (rank <= 1) return row(int64_t{0}, int64_t{0}, int64_t{0});
    int64_t at[kMostAxes] = {}, a = 0, b = 0, to = 0;
    const int64_t run = length[rank - 1];
    while (true) {
      row(a, b, to);
      to += run;
      size_t axis = rank - 1;
      while (true) {
        if (axis == 0) return;
        --axis;
        a += step_a[axis];
        b += step_b[axis];
        if (++at[axis] < length[axis]) break;
        a -= step_a[axis] * length[axis];
        b -= step_b[axis] * length[axis];
        at[axis] = 0;
      }
    }
  }
  int64_t out_count() const { return *out.num_elements(); }
  int64_t run() const { return rank == 0 ? 1 : length[rank - 1]; }
  int64_t run_step_a() const { return rank == 0 ? 0 : step_a[rank - 1]; }
  int64_t run_step_b() const { return rank == 0 ? 0 : step_b[rank - 1]; }
};

}  // namespace ferry::ops
