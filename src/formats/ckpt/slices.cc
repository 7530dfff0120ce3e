#include "formats/ckpt/slices.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

namespace ferry::ckpt {
namespace {

// Comparing all with all beyond this would take minutes; a tensor in so many pieces is none that anyone trained.
constexpr size_t kMostSlices = 1 << 14;

struct Box {
  std::vector<int64_t> begin, end;
};

Box box_of(const Slice& slice, const Shape& shape) {
  Box out;
  for (size_t axis = 0; axis < shape.rank(); ++axis) {
    const int64_t start = slice.extents[axis].length < 0 ? 0 : slice.extents[axis].start;
    out.begin.push_back(start);
    out.end.push_back(start + shape[axis]);
  }
  return out;
}

bool overlap(const Box& a, const Box& b) {
  for (size_t axis = 0; axis < a.begin.size(); ++axis) {
    if (a.end[axis] <= b.begin[axis] || b.end[axis] <= a.begin[axis]) return false;
  }
  return true;
}

// Runs of elements of `shape`, which lie together in a box at `begin` in `whole`: to(place in whole, place in the box, elements).
template <class To>
void each_run(const Shape& shape, std::span<const int64_t> begin, const Shape& whole, To&& to) {
  const size_t rank = shape.rank();
  size_t solid = rank;  // from this axis on, the box is as wide as the whole
  int64_t run = 1;
  while (solid > 0) {
    run *= shape[solid - 1];
    --solid;
    if (shape[solid] != whole[solid]) break;
  }
  std::vector<int64_t> stride(rank, 1), at(solid, 0);
  for (size_t axis = rank; axis-- > 1;) stride[axis - 1] = stride[axis] * whole[axis];
  int64_t place = 0, taken = 0;
  for (size_t axis = 0; axis < rank; ++axis) place += begin[axis] * stride[axis];
  for (;;) {
    to(place, taken, run);
    taken += run;
    size_t axis = solid;
    for (;;) {
      if (axis == 0) return;
      --axis;
      place += stride[axis];
      if (++at[axis] < shape[axis]) break;
      place -= stride[axis] * shape[axis];
      at[axis] = 0;
    }
  }
}

}  // namespace

Status check_slices(std::span<const Slice> slices, const Shape& whole) {
  if (slices.size() > kMostSlices)
    return limit_exceeded(concat("a tensor in ", slices.size(), " pieces; at most ", kMostSlices, " are read"));
  const int64_t wanted = *whole.num_elements();
  std::vector<Box> boxes;
  int64_t covered = 0;
  for (const Slice& slice : slices) {
    FERRY_ASSIGN_OR_RETURN(const Shape shape, slice_shape(slice, whole));
    const int64_t count = *shape.num_elements();
    // Without elements it overlaps nothing, and the sum cannot pass 63 bits before it passes `wanted`.
    if (count == 0) continue;
    if (count > wanted - covered) return data_loss(concat("the slices of a tensor of shape ", whole.to_string(), " overlap"));
    covered += count;
    boxes.push_back(box_of(slice, shape));
  }
  if (whole.rank() == 0) return {};
  std::ranges::sort(boxes, {}, [](const Box& box) { return box.begin[0]; });
  for (size_t i = 0; i < boxes.size(); ++i) {
    for (size_t j = i + 1; j < boxes.size() && boxes[j].begin[0] < boxes[i].end[0]; ++j) {
      if (overlap(boxes[i], boxes[j])) return data_loss(concat("two slices of a tensor of shape ", whole.to_string(), " overlap"));
    }
  }
  return {};
}

int64_t held_by(std::span<const Slice> slices, const Shape& whole) {
  int64_t out = 0;
  for (const Slice& slice : slices) {
    const auto shape = slice_shape(slice, whole);
    if (shape.ok()) out += *shape->num_elements();
  }
  return out;
}

std::string slices_text(std::span<const Slice> slices, const Shape& whole) {
  const int64_t held = held_by(slices, whole), wanted = *whole.num_elements();
  return held == wanted ? concat(slices.size()) : concat(slices.size(), " (", held, " of ", wanted, " elements)");
}

Result<DenseTensor> join_slices(std::span<const Slice> slices, DType dtype, const Shape& whole, const Limits& limits,
                                const std::function<Result<DenseTensor>(size_t i, const Shape& shape)>& read) {
  const int64_t count = *whole.num_elements();
  if (const int64_t covered = held_by(slices, whole); covered != count) {
    return data_loss(concat("the slices hold ", covered, " of the ", count, " elements of a tensor of shape ", whole.to_string()));
  }
  if (dtype == DType::string) {
    std::vector<DenseTensor> pieces;
    std::vector<std::pair<uint32_t, int64_t>> from(static_cast<size_t>(count));
    for (size_t i = 0; i < slices.size(); ++i) {
      FERRY_ASSIGN_OR_RETURN(const Shape shape, slice_shape(slices[i], whole));
      FERRY_ASSIGN_OR_RETURN(pieces.emplace_back(), read(i, shape));
      if (pieces.back().num_elements() == 0) continue;
      each_run(shape, box_of(slices[i], shape).begin, whole, [&](int64_t to, int64_t taken, int64_t run) {
        for (int64_t k = 0; k < run; ++k) from[static_cast<size_t>(to + k)] = {static_cast<uint32_t>(i), taken + k};
      });
    }
    StringsBuilder out;
    for (const auto& [piece, element] : from) FERRY_RETURN_IF_ERROR(out.append(pieces[piece].strings()[element]));
    return std::move(out).finish(whole);
  }
  const size_t width = dtype_size(dtype);
  const auto bytes = static_cast<uint64_t>(count) * width;  // the listing has checked the product
  if (bytes > limits.max_tensor_bytes) return limit_exceeded(concat("a tensor of ", bytes, " bytes (max_tensor_bytes)"));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(bytes));
  for (size_t i = 0; i < slices.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const Shape shape, slice_shape(slices[i], whole));
    FERRY_ASSIGN_OR_RETURN(const DenseTensor piece, read(i, shape));
    if (piece.num_elements() == 0) continue;
    const auto* data = static_cast<const std::byte*>(piece.raw());
    each_run(shape, box_of(slices[i], shape).begin, whole, [&](int64_t to, int64_t taken, int64_t run) {
      std::memcpy(out.data() + static_cast<size_t>(to) * width, data + static_cast<size_t>(taken) * width,
                  static_cast<size_t>(run) * width);
    });
  }
  return DenseTensor::make(dtype, whole, std::move(out).freeze());
}

}  // namespace ferry::ckpt
