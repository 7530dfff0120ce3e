// Gather, GatherV2 and GatherNd.
#include <algorithm>

#include "ops/gather.h"

namespace ferry::ops {
std::string place_of(const Shape& shape, int64_t i) {
  std::vector<int64_t> at(shape.rank());
  for (size_t axis = shape.rank(); axis-- > 0;) {
    at[axis] = i % shape[axis];
    i /= shape[axis];
  }
  std::string out;
  for (size_t axis = 0; axis < at.size(); ++axis) out += concat(axis > 0 ? "," : "", at[axis]);
  return out;
}

Status gather(Call& call, const Value& params, size_t indices_at, int64_t axis_given, int64_t batch_given) {
  const Shape &from = params.shape(), &places = call.shape(indices_at);
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> indices, call.integers(indices_at));
  const auto index_rank = static_cast<int64_t>(places.rank());
  if (batch_given < -index_rank || batch_given > index_rank) {
    return invalid_argument(concat("Expected batch_dims in the range [", -index_rank, ", ", index_rank, "], but got ", batch_given));
  }
  const auto batch = static_cast<size_t>(batch_given < 0 ? batch_given + index_rank : batch_given);
  if (from.rank() < 1) return invalid_argument("params must be at least 1 dimensional");
  FERRY_ASSIGN_OR_RETURN(const size_t axis, axis_of(axis_given, from.rank()));
  if (batch >= from.rank()) return invalid_argument(concat("batch_dims (", batch, ") must be less than rank(params) (", from.rank(), ")."));
  if (axis < batch) return invalid_argument(concat("batch_dims (", batch, ") must be less than or equal to axis (", axis, ")."));
  Shape shape;
  for (size_t i = 0; i < axis; ++i) {
    if (i < batch && from[i] != places[i]) {
      return invalid_argument(concat("params.shape[", i, "]: ", from[i], " should be equal to indices.shape[", i, "]: ", places[i]));
    }
    shape.append(from[i]);
  }
  for (size_t i = batch; i < places.rank(); ++i) shape.append(places[i]);
  for (size_t i = axis + 1; i < from.rank(); ++i) shape.append(from[i]);
  FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, params.dtype(), shape));
  const int64_t limit = from[axis];
  if (*shape.num_elements() > 0) {
    for (size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] < 0 || indices[i] >= limit) {
        return invalid_argument(
            concat("indices[", place_of(places, static_cast<int64_t>(i)), "] = ", indices[i], " is not in [0, ", limit, ")"));
      }
    }
    const int64_t batches = product(from, 0, batch), outer = product(from, batch, axis), below = product(from, axis + 1, from.rank());
    const int64_t each = product(places, batch, places.rank());
    for (int64_t b = 0; b < batches; ++b) {
      const int64_t* const at = indices.data() + b * each;
      for (int64_t o = 0; o < outer; ++o) {
        const int64_t base = (b * outer + o) * limit;
        for (int64_t i = 0; i < each; ++i) out.take(params, (base + at[i]) * below, below);
      }
    }
  }
  return std::move(out).finish();
}

Result<BadIndex> bad_index_policy(const NodeInfo& node) {
  const std::string text = node.text("bad_indices_policy");
  FERRY_RETURN_IF_ERROR(node.status());
  if (text.empty() || text == "DEFAULT" || text == "ERROR") return BadIndex::error;
  if (text == "IGNORE") return BadIndex::ignore;
  return invalid_argument(concat("bad_indices_policy must be DEFAULT, ERROR or IGNORE, not ", quoted(text)));
}

Status gather_nd(Call& call, const Value& params, size_t indices_at, BadIndex bad) {
  const Shape &from = params.shape(), &places = call.shape(indices_at);
  if (from.rank() < 1) return invalid_argument("params must be at least a vector");
  if (places.rank() < 1) return invalid_argument("indices must be at least a vector");
  const int64_t depth = places[places.rank() - 1];
  if (depth > static_cast<int64_t>(from.rank())) {
    return invalid_argument(concat("index innermost dimension length must be <= params rank; saw: ", depth, " vs. ", from.rank()));
  }
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> indices, call.integers(indices_at));
  Shape shape(places.dims().first(places.rank() - 1));
  const int64_t count = product(shape);
  for (size_t i = static_cast<size_t>(depth); i < from.rank(); ++i) shape.append(from[i]);
  FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
  if (count > 0 && *from.num_elements() == 0) return invalid_argument("Requested more than 0 entries, but params is empty.");
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, params.dtype(), shape));
  if (*shape.num_elements() > 0) {
    const int64_t below = product(from, static_cast<size_t>(depth), from.rank());
    for (int64_t i = 0; i < count; ++i) {
      int64_t at = 0;
      bool inside = true;
      for (int64_t k = 0; k < depth; ++k) {
        const int64_t index = indices[static_cast<size_t>(i * depth + k)], length = from[static_cast<size_t>(k)];
        inside &= index >= 0 && index < length;
        at = inside ? at * length + index : 0;
      }
      if (inside) {
        out.take(params, at * below, below);
      } else if (bad == BadIndex::ignore) {
        out.take_zeros(below);
      } else {
        return invalid_argument(
            concat("indices[", place_of(Shape(places.dims().first(places.rank() - 1)), i),
                   "] = ", Shape(std::span(indices).subspan(static_cast<size_t>(i * depth), static_cast<size_t>(depth))).to_string(),
                   " does not index into param shape ", from.to_string()));
      }
    }
  }
  return std::move(out).finish();
}

namespace {

class GatherKernel final : public Kernel {
 public:
  explicit GatherKernel(int64_t batch) : batch_(batch) {}
  Status run(Call& call) const override {
    int64_t axis = 0;
    if (call.num_inputs() > 2) {
      if (call.shape(2).rank() != 0) return invalid_argument("axis must be scalar");
      FERRY_ASSIGN_OR_RETURN(axis, call.integer(2));
    }
    return gather(call, call.value(0), 1, axis, batch_);
  }

 private:
  int64_t batch_;
};
Result<KernelRef> make_gather(const NodeInfo&) { return KernelRef(std::make_unique<GatherKernel>(0)); }
Result<KernelRef> make_gather_v2(const NodeInfo& node) { return KernelRef(std::make_unique<GatherKernel>(node.number("batch_dims"))); }

class GatherNdKernel final : public Kernel {
 public:
  explicit GatherNdKernel(BadIndex bad) : bad_(bad) {}
  Status run(Call& call) const override { return gather_nd(call, call.value(0), 1, bad_); }

 private:
  BadIndex bad_;
};
Result<KernelRef> make_gather_nd(const NodeInfo& node) {
  FERRY_ASSIGN_OR_RETURN(const BadIndex bad, bad_index_policy(node));
  return KernelRef(std::make_unique<GatherNdKernel>(bad));
}

}  // namespace

extern const Op Gather_op, GatherV2_op, GatherNd_op;
const Op Gather_op{"Gather", make_gather};
const Op GatherV2_op{"GatherV2", make_gather_v2};
const Op GatherNd_op{"GatherNd", make_gather_nd};

}  // namespace ferry::ops
