// Unique, its kin, and ListDiff.
#include "ops/distinct.h"
#include "ops/move.h"

namespace ferry::ops {
namespace {

using Comparable = Join<Reals, Types<bool>>;

// Slices [outer, n, below] of axis 1 by number.
template <class Elements>
struct Slices {
  Elements elements;
  int64_t outer, count, below;
  uint64_t hash(int64_t i) const {
    uint64_t out = 0;
    each(i, [&](int64_t at) {
      out = mix(out ^ elements.hash(at)) + 1;
      return true;
    });
    return out;
  }
  bool equal(int64_t i, int64_t j) const {
    const int64_t gap = (j - i) * below;
    return each(i, [&](int64_t at) { return elements.equal(at, at + gap); });
  }
  template <class F>
  bool each(int64_t i, F&& f) const {
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t k = 0; k < below; ++k) {
        if (!f((o * count + i) * below + k)) return false;
      }
    }
    return true;
  }
};

Status unique(Call& call) {  // and V2, WithCounts, WithCountsV2
  const DenseTensor& x = call.in(0);
  const Shape& shape = x.shape();
  size_t axis = 0;
  bool along_axis = false;
  if (call.num_inputs() > 1) {
    if (call.shape(1).rank() != 1) return invalid_argument("axis expects a 1D vector.");
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> given, call.integers(1));
    if (given.size() > 1) return invalid_argument("axis does not support input tensors larger than 1 elements");
    along_axis = !given.empty();
    if (along_axis) {
      FERRY_ASSIGN_OR_RETURN(axis, axis_of(given[0], shape.rank()));
    }
  }
  if (!along_axis && shape.rank() != 1) return invalid_argument("unique expects a 1D vector.");
  const int64_t count = shape[axis], outer = product(shape, 0, axis), below = product(shape, axis + 1, shape.rank());
  const bool whole = x.num_elements() > 0;
  std::vector<int64_t> index(static_cast<size_t>(count)), first, times;
  Status status;
  const auto number = [&](const auto& slices) {
    Distinct seen(static_cast<size_t>(count));
    std::vector<int64_t> place(static_cast<size_t>(count));  // of a first one among the first ones
    for (int64_t i = 0; i < count; ++i) {
      if ((i & 0xffff) == 0xffff && status.ok()) status = call.run().check();
      if (!status.ok()) return;
      const int64_t same = seen.find_or_add(slices.hash(i), i, [&](int64_t other) { return slices.equal(other, i); });
      if (same == i) {
        place[static_cast<size_t>(i)] = static_cast<int64_t>(first.size());
        first.push_back(i);
        times.push_back(0);
      }
      index[static_cast<size_t>(i)] = place[static_cast<size_t>(same)];
      ++times[static_cast<size_t>(place[static_cast<size_t>(same)])];
    }
  };
  const bool known = with_elements<Comparable>(
      [&]<class Elements>(Elements elements) {
        if (outer == 1 && below == 1) {
          number(elements);
        } else {
          number(Slices<Elements>{elements, whole ? outer : 0, count, whole ? below : 0});
        }
      },
      x);
  if (!known) return no_kernel(call.node().op(), x.dtype());
  FERRY_RETURN_IF_ERROR(status);
  Shape out_shape = shape;
  out_shape[axis] = static_cast<int64_t>(first.size());
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, x.dtype(), out_shape));
  for (int64_t o = 0; whole && o < outer; ++o) {
    for (int64_t i : first) out.take(call.value(0), (o * count + i) * below, below);
  }
  FERRY_RETURN_IF_ERROR(std::move(out).finish());
  FERRY_RETURN_IF_ERROR(give_integers(call, 1, Shape{count}, index));
  if (call.num_outputs() > 2) return give_integers(call, 2, Shape{static_cast<int64_t>(times.size())}, times);
  return {};
}

Status list_diff(Call& call) {
  const DenseTensor &x = call.in(0), &y = call.in(1);
  if (x.shape().rank() != 1) return invalid_argument(concat("x should be a 1D vector, not ", x.shape().to_string()));
  if (y.shape().rank() != 1) return invalid_argument(concat("y should be a 1D vector, not ", y.shape().to_string()));
  std::vector<int64_t> left;
  const bool known = with_elements<Comparable>(
      [&](const auto& a, const auto& b) {
        Distinct known_of_y(static_cast<size_t>(y.num_elements()));
        for (int64_t i = 0; i < y.num_elements(); ++i) {
          known_of_y.find_or_add(b.hash(i), i, [&](int64_t other) { return b.equal(other, i); });
        }
        for (int64_t i = 0; i < x.num_elements(); ++i) {
          if (!known_of_y.has(a.hash(i), [&](int64_t other) { return a.equal(i, b, other); })) left.push_back(i);
        }
      },
      x, y);
  if (!known) return no_kernel(call.node().op(), x.dtype());
  const Shape shape{static_cast<int64_t>(left.size())};
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, x.dtype(), shape));
  for (int64_t i : left) out.take(call.value(0), i, 1);
  FERRY_RETURN_IF_ERROR(std::move(out).finish());
  return give_integers(call, 1, shape, left);
}

}  // namespace

#define FERRY_UNIQUE_OP(op, make) \
  extern const Op op##_op;        \
  const Op op##_op { #op, make }

FERRY_UNIQUE_OP(Unique, make_free<unique>);
FERRY_UNIQUE_OP(UniqueV2, make_free<unique>);
FERRY_UNIQUE_OP(UniqueWithCounts, make_free<unique>);
FERRY_UNIQUE_OP(UniqueWithCountsV2, make_free<unique>);
FERRY_UNIQUE_OP(ListDiff, make_free<list_diff>);

}  // namespace ferry::ops
