// DynamicPartition and DynamicStitch: rows dealt out by number, and put together again.
#include <algorithm>

#include "ops/gather.h"

namespace ferry::ops {
namespace {

Status partition(Call& call) {
  const Value& data = call.value(0);
  const Shape &shape = data.shape(), &places = call.shape(1);
  bool fits = places.rank() <= shape.rank();
  for (size_t i = 0; fits && i < places.rank(); ++i) fits = shape[i] == places[i];
  if (!fits) {
    return invalid_argument(concat("data.shape must start with partitions.shape, got data.shape = ", shape.to_string(),
                                   ", partitions.shape = ", places.to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> to, call.integers(1));
  const auto parts = static_cast<int64_t>(call.num_outputs());
  std::vector<int64_t> counts(static_cast<size_t>(parts), 0);
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i] < 0 || to[i] >= parts) {
      return invalid_argument(
          concat("partitions[", place_of(places, static_cast<int64_t>(i)), "] = ", to[i], " is not in [0, ", parts, ")"));
    }
    ++counts[static_cast<size_t>(to[i])];
  }
  std::vector<Mover> out;
  out.reserve(counts.size());
  for (size_t i = 0; i < counts.size(); ++i) {
    Shape part{counts[i]};
    for (size_t k = places.rank(); k < shape.rank(); ++k) part.append(shape[k]);
    FERRY_ASSIGN_OR_RETURN(Mover mover, Mover::into(call, i, data.dtype(), part));
    out.push_back(std::move(mover));
  }
  if (*shape.num_elements() > 0) {
    const int64_t below = product(shape, places.rank(), shape.rank());
    for (size_t i = 0; i < to.size(); ++i) out[static_cast<size_t>(to[i])].take(data, static_cast<int64_t>(i) * below, below);
  }
  for (Mover& mover : out) FERRY_RETURN_IF_ERROR(std::move(mover).finish());
  return {};
}

// Inputs: n of indices, n of data. Of rows that are there more than once the last one counts; rows that nobody gives are zeros.
Status stitch(Call& call) {
  const size_t count = call.num_inputs() / 2;
  Shape row;
  int64_t rows = 0;
  std::vector<std::vector<int64_t>> indices(count);
  for (size_t i = 0; i < count; ++i) {
    const Shape &places = call.shape(i), &shape = call.shape(count + i);
    bool fits = places.rank() <= shape.rank();
    for (size_t k = 0; fits && k < places.rank(); ++k) fits = places[k] == shape[k];
    if (!fits) {
      return invalid_argument(
          concat("data[", i, "].shape = ", shape.to_string(), " does not start with indices[", i, "].shape = ", places.to_string()));
    }
    const Shape own = shape.drop_front(places.rank());
    if (i == 0) row = own;
    if (own != row) {
      return invalid_argument(concat("Need data[0].shape[", call.shape(0).rank(), ":] = data[", i, "].shape[", places.rank(),
                                     ":], got data[0].shape = ", call.shape(count).to_string(), ", data[", i,
                                     "].shape = ", shape.to_string()));
    }
    FERRY_ASSIGN_OR_RETURN(indices[i], call.integers(i));
    for (int64_t index : indices[i]) {
      if (index < 0) return invalid_argument(concat("indices[", i, "] is out of range: ", index));
      rows = std::max(rows, index + 1);
    }
  }
  std::vector<int64_t> dims{rows};
  dims.insert(dims.end(), row.begin(), row.end());
  FERRY_ASSIGN_OR_RETURN(const Shape shape, Shape::checked(dims, call.run().limits));
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, call.value(count).dtype(), shape));
  if (*shape.num_elements() > 0) {
    struct Source {
      int64_t input = -1, at = 0;
    };
    std::vector<Source> sources(static_cast<size_t>(rows));
    for (size_t i = 0; i < count; ++i) {
      for (size_t k = 0; k < indices[i].size(); ++k) {
        sources[static_cast<size_t>(indices[i][k])] = {static_cast<int64_t>(i), static_cast<int64_t>(k)};
      }
    }
    const int64_t below = product(row);
    for (const Source& source : sources) {
      if (source.input < 0) {
        out.take_zeros(below);
      } else {
        out.take(call.value(count + static_cast<size_t>(source.input)), source.at * below, below);
      }
    }
  }
  return std::move(out).finish();
}
Result<KernelRef> make_stitch(const NodeInfo& node) {
  if (node.input_dtypes().empty()) return invalid_argument("DynamicStitch of nothing");
  return KernelRef(std::make_unique<FreeKernel<stitch>>());
}

}  // namespace

extern const Op DynamicPartition_op, DynamicStitch_op, ParallelDynamicStitch_op;
const Op DynamicPartition_op{"DynamicPartition", make_free<partition>};
const Op DynamicStitch_op{"DynamicStitch", make_stitch};
const Op ParallelDynamicStitch_op{"ParallelDynamicStitch", make_stitch};

}  // namespace ferry::ops
