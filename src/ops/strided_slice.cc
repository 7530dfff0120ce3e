// Slice and StridedSlice.
#include <algorithm>
#include <bit>

#include "ops/move.h"

namespace ferry::ops {
namespace {

// One axis of the input: where the slice begins, its step and how many elements it has.
struct Range {
  int64_t begin = 0, step = 1, count = 0;
};

// The box of those ranges as output 0 of `shape`.
Status give_box(Call& call, std::span<const Range> ranges, Shape shape) {
  const Value& x = call.value(0);
  const Shape& from = x.shape();
  FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
  const int64_t count = *shape.num_elements();
  // Whole: nothing moves. Rows of one block: shared.
  bool whole = true;
  size_t outer = 0;
  while (outer < ranges.size() && ranges[outer].count == 1) ++outer;
  bool contiguous = true;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const bool all = ranges[i].count == from[i] && (ranges[i].step == 1 || from[i] == 1);
    whole &= all;
    if (i == outer) contiguous &= ranges[i].step == 1;
    if (i > outer) contiguous &= all;
  }
  if (whole) {
    FERRY_ASSIGN_OR_RETURN(Value out, reshaped(x, std::move(shape)));
    call.set(0, std::move(out));
    return {};
  }
  Walk walk;
  int64_t begin = 0, stride = 1;
  std::vector<int64_t> strides(ranges.size());
  for (size_t i = ranges.size(); count > 0 && i-- > 0;) {
    strides[i] = stride;
    begin += ranges[i].begin * stride;
    stride *= from[i];
  }
  if (contiguous && count > 0 && x.is_tensor()) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, x.tensor().reshaped(Shape{*from.num_elements()}));
    FERRY_ASSIGN_OR_RETURN(out, out.slice_rows(begin, begin + count));
    FERRY_ASSIGN_OR_RETURN(out, out.reshaped(std::move(shape)));
    call.set(0, std::move(out));
    return {};
  }
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, x.dtype(), shape));
  if (count > 0) {
    for (size_t i = 0; i < ranges.size(); ++i) walk.axis(ranges[i].count, ranges[i].step * strides[i]);
    take(out, x, walk, begin);
  }
  return std::move(out).finish();
}

Status slice(Call& call) {
  const Shape& shape = call.shape(0);
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> begin, call.integers(1));
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> size, call.integers(2));
  if (call.shape(1).rank() != 1 || call.shape(2).rank() != 1 || begin.size() != shape.rank() || size.size() != shape.rank()) {
    return invalid_argument(concat("Expected begin and size arguments to be 1-D tensors of size ", shape.rank(), ", but got shapes ",
                                   call.shape(1).to_string(), " and ", call.shape(2).to_string(), " instead."));
  }
  std::vector<Range> ranges(shape.rank());
  Shape out;
  for (size_t i = 0; i < shape.rank(); ++i) {
    const int64_t count = size[i] == -1 ? shape[i] - std::min(begin[i], shape[i]) : size[i];
    if (begin[i] < 0 || begin[i] > shape[i])
      return invalid_argument(concat("Expected begin[", i, "] in [0, ", shape[i], "], but got ", begin[i]));
    if (count < 0 || count > shape[i] - begin[i]) {
      return invalid_argument(concat("Expected size[", i, "] in [0, ", shape[i] - begin[i], "], but got ", size[i]));
    }
    ranges[i] = {begin[i], 1, count};
    out.append(count);
  }
  return give_box(call, ranges, std::move(out));
}

struct Masks {
  uint64_t begin, end, ellipsis, new_axis, shrink;
};

class StridedSliceKernel final : public Kernel {
 public:
  explicit StridedSliceKernel(Masks masks) : masks_(masks) {}

  Status run(Call& call) const override {
    const Shape& shape = call.shape(0);
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> begin, call.integers(1));
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> end, call.integers(2));
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> strides, call.integers(3));
    if (call.shape(1).rank() != 1 || call.shape(2).rank() != 1 || call.shape(3).rank() != 1 || begin.size() != end.size() ||
        begin.size() != strides.size() || begin.size() > 32) {
      return invalid_argument(concat("Expected begin, end, and strides to be 1D equal size tensors, but got shapes ",
                                     call.shape(1).to_string(), ", ", call.shape(2).to_string(), ", and ", call.shape(3).to_string(),
                                     " instead."));
    }
    if (std::popcount(masks_.ellipsis) > 1) return invalid_argument("Multiple ellipses in slice spec not allowed");
    const size_t rank = shape.rank(), spec = begin.size();
    const auto has = [](uint64_t mask, size_t i) { return (mask >> i & 1) != 0; };
    // The ellipsis stands for the axes that nothing else speaks of; without one, it stands at the end.
    size_t ellipsis = spec, spoken = 0;
    for (size_t i = 0; i < spec; ++i) {
      if (has(masks_.ellipsis, i))
        ellipsis = i;
      else if (!has(masks_.new_axis, i))
        ++spoken;
    }
    const size_t missing = rank > spoken ? rank - spoken : 0;
    std::vector<Range> ranges;
    ranges.reserve(rank);
    Shape out;
    const auto take_whole = [&] {
      for (size_t k = 0; k < missing; ++k) {
        const int64_t length = shape[ranges.size()];
        ranges.push_back({0, 1, length});
        out.append(length);
      }
    };
    for (size_t i = 0; i < spec; ++i) {
      if (i == ellipsis) {
        take_whole();
        continue;
      }
      if (has(masks_.new_axis, i)) {
        out.append(1);
        continue;
      }
      const size_t axis = ranges.size();
      if (axis == rank) {
        return invalid_argument(concat("Index out of range using input dim ", axis, "; input has only ", rank, " dims"));
      }
      const bool shrink = has(masks_.shrink, i);
      FERRY_ASSIGN_OR_RETURN(const Range range,
                             range_of(axis, shape[axis], begin[i], end[i], strides[i], has(masks_.begin, i), has(masks_.end, i), shrink));
      ranges.push_back(range);
      if (!shrink) out.append(range.count);
    }
    if (ellipsis == spec) take_whole();
    return give_box(call, ranges, std::move(out));
  }

 private:
  static Result<Range> range_of(size_t axis, int64_t length, int64_t begin, int64_t end, int64_t stride, bool open_begin, bool open_end,
                                bool shrink) {
    if (stride == 0) return invalid_argument(concat("strides[", axis, "] must be non-zero"));
    if (shrink) {
      if (stride < 0) return invalid_argument("only stride 1 allowed on non-range indexing.");
      const int64_t at = begin < 0 ? length + begin : begin;
      if (at < 0 || at >= length) return invalid_argument(concat("slice index ", at, " of dimension ", axis, " out of bounds."));
      return Range{at, 1, 1};
    }
    const int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? length : length - 1;
    const auto within = [&](int64_t x) { return std::clamp(x < 0 ? length + x : x, low, high); };
    const int64_t first = open_begin ? (stride > 0 ? low : high) : within(begin);
    const int64_t last = open_end ? (stride > 0 ? high : low) : within(end);
    const int64_t gap = last - first;
    if (gap == 0 || (gap < 0) != (stride < 0)) return Range{0, 1, 0};
    const int64_t count = gap / stride + (gap % stride != 0 ? 1 : 0);
    return Range{first, count == 1 ? 1 : stride, count};
  }

  Masks masks_;
};

Result<KernelRef> make_strided_slice(const NodeInfo& node) {
  const auto mask = [&](std::string_view name) { return static_cast<uint64_t>(node.number(name)) & 0xffffffffu; };
  return KernelRef(std::make_unique<StridedSliceKernel>(
      Masks{mask("begin_mask"), mask("end_mask"), mask("ellipsis_mask"), mask("new_axis_mask"), mask("shrink_axis_mask")}));
}

}  // namespace

extern const Op Slice_op, StridedSlice_op;
const Op Slice_op{"Slice", make_free<slice>};
const Op StridedSlice_op{"StridedSlice", make_strided_slice};

}  // namespace ferry::ops
