#include "ops/broadcast.h"

#include <algorithm>

namespace ferry::ops {

Result<Broadcast> Broadcast::of(const Shape& a, const Shape& b) {
  Broadcast result;
  const size_t rank = std::max(a.rank(), b.rank());
  const auto length_of = [&](const Shape& shape, size_t axis) -> int64_t {
    return axis + shape.rank() < rank ? 1 : shape[axis + shape.rank() - rank];
  };
  if (a == b) {
    result.out = a;
    result.rank = 1;
    const auto count = a.num_elements();
    if (!count) return invalid_argument(concat("shape ", a.to_string(), " has more elements than 63 bits can count"));
    result.length[0] = *count;
    result.step_a[0] = result.step_b[0] = 1;
    return result;
  }
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t x = length_of(a, axis), y = length_of(b, axis);
    if (x != y && x != 1 && y != 1) return invalid_argument(concat("Incompatible shapes: ", a.to_string(), " vs. ", b.to_string()));
    result.out.append(x == 1 ? y : x);
  }
  if (!result.out.num_elements()) return invalid_argument(concat("Incompatible shapes: ", a.to_string(), " vs. ", b.to_string()));
  // Runs of axes that are repeated on the same sides are one; axes of length 1 belong to any.
  int before = -1;
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t x = length_of(a, axis), y = length_of(b, axis);
    if (x == 1 && y == 1) continue;
    const int now = x == 1 ? 1 : y == 1 ? 2 : 0;
    if (now == before) {
      result.length[result.rank - 1] *= std::max(x, y);
      if (x == 0 || y == 0) result.length[result.rank - 1] = 0;
      continue;
    }
    before = now;
    if (result.rank == kMostAxes)
      return unsupported(concat("broadcasting ", a.to_string(), " and ", b.to_string(), " takes more than 16 loops"));
    result.length[result.rank] = x == 1 ? y : x;
    result.step_a[result.rank] = x == 1 ? 0 : 1;  // which of them are repeated; the steps follow
    result.step_b[result.rank] = y == 1 ? 0 : 1;
    ++result.rank;
  }
  int64_t a_below = 1, b_below = 1;
  for (size_t i = result.rank; i-- > 0;) {
    const bool walks_a = result.step_a[i] != 0, walks_b = result.step_b[i] != 0;
    result.step_a[i] = walks_a ? a_below : 0;
    result.step_b[i] = walks_b ? b_below : 0;
    if (walks_a) a_below *= result.length[i];
    if (walks_b) b_below *= result.length[i];
  }
  return result;
}

}  // namespace ferry::ops
