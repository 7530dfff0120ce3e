// Ops that put tensors together and take them apart along one axis.
#include "ops/move.h"

namespace ferry::ops {
namespace {

// The inputs [first, first + count) joined along `axis`; their other axes are equal.
Status join(Call& call, size_t first, size_t count, size_t axis, const Shape& shape) {
  if (count == 1) {
    if (call.shape(first) == shape) {
      call.pass(0, first);
      return {};
    }
    FERRY_ASSIGN_OR_RETURN(Value out, reshaped(call.value(first), shape));
    call.set(0, std::move(out));
    return {};
  }
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, call.value(first).dtype(), shape));
  if (*shape.num_elements() > 0) {
    const int64_t rows = product(shape, 0, axis);
    std::vector<int64_t> runs(count);
    for (size_t i = 0; i < count; ++i) runs[i] = *call.shape(first + i).num_elements() / rows;
    for (int64_t row = 0; row < rows; ++row) {
      for (size_t i = 0; i < count; ++i) out.take(call.value(first + i), row * runs[i], runs[i]);
    }
  }
  return std::move(out).finish();
}

Status concat(Call& call, size_t first, size_t count, int64_t given) {
  const Shape& model = call.shape(first);
  FERRY_ASSIGN_OR_RETURN(const size_t axis, axis_of(given, model.rank()));
  Shape shape = model;
  for (size_t i = 1; i < count; ++i) {
    const Shape& other = call.shape(first + i);
    bool fits = other.rank() == model.rank();
    for (size_t k = 0; fits && k < model.rank(); ++k) fits = k == axis || other[k] == model[k];
    if (!fits || __builtin_add_overflow(shape[axis], other[axis], &shape[axis])) {
      return invalid_argument(ferry::concat("ConcatOp : Dimension ", axis, " in both shapes must be equal: shape[0] = ", model.to_string(),
                                            " vs. shape[", i, "] = ", other.to_string()));
    }
  }
  FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
  return join(call, first, count, axis, shape);
}

Status concat_v2(Call& call) {
  const size_t axis = call.num_inputs() - 1;
  FERRY_ASSIGN_OR_RETURN(const int64_t given, call.integer(axis));
  return concat(call, 0, axis, given);
}
Status concat_v1(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const int64_t given, call.integer(0));
  return concat(call, 1, call.num_inputs() - 1, given);
}

class PackKernel final : public Kernel {
 public:
  explicit PackKernel(int64_t axis) : axis_(axis) {}
  Status run(Call& call) const override {
    const Shape& each = call.shape(0);
    for (size_t i = 1; i < call.num_inputs(); ++i) {
      if (call.shape(i) != each) {
        return invalid_argument(ferry::concat("Shapes of all inputs must match: values[0].shape = ", each.to_string(), " != values[", i,
                                              "].shape = ", call.shape(i).to_string()));
      }
    }
    FERRY_ASSIGN_OR_RETURN(const size_t axis, axis_of(axis_, each.rank() + 1));
    std::vector<int64_t> dims(each.begin(), each.end());
    dims.insert(dims.begin() + static_cast<int64_t>(axis), static_cast<int64_t>(call.num_inputs()));
    FERRY_ASSIGN_OR_RETURN(const Shape shape, Shape::checked(dims, call.run().limits));
    return join(call, 0, call.num_inputs(), axis, shape);
  }

 private:
  int64_t axis_;
};
Result<KernelRef> make_pack(const NodeInfo& node) {
  if (node.input_dtypes().empty()) return invalid_argument("Pack of nothing");
  return KernelRef(std::make_unique<PackKernel>(node.number("axis")));
}
Result<KernelRef> make_concat_v1(const NodeInfo& node) {
  if (node.input_dtypes().size() < 2) return invalid_argument("Concat of nothing");
  return KernelRef(std::make_unique<FreeKernel<concat_v1>>());
}
Result<KernelRef> make_concat_v2(const NodeInfo& node) {
  if (node.input_dtypes().size() < 2) return invalid_argument("ConcatV2 of nothing");
  return KernelRef(std::make_unique<FreeKernel<concat_v2>>());
}

// Axis `axis` of input `from` in pieces of `lengths`, one an output; `shape` is theirs but for the axis, which they lose where told to.
Status part(Call& call, size_t from, size_t axis, std::span<const int64_t> lengths, bool drop_axis) {
  const Value& value = call.value(from);
  const Shape& shape = value.shape();
  const int64_t rows = product(shape, 0, axis), below = product(shape, axis + 1, shape.rank());
  int64_t begin = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    Shape piece;
    for (size_t k = 0; k < shape.rank(); ++k) {
      if (k != axis)
        piece.append(shape[k]);
      else if (!drop_axis)
        piece.append(lengths[i]);
    }
    const int64_t count = *piece.num_elements();
    if (rows == 1 && value.is_tensor() && count > 0) {  // in one piece already
      FERRY_ASSIGN_OR_RETURN(DenseTensor flat, value.tensor().reshaped(Shape{*shape.num_elements()}));
      FERRY_ASSIGN_OR_RETURN(flat, flat.slice_rows(begin * below, begin * below + count));
      FERRY_ASSIGN_OR_RETURN(flat, flat.reshaped(std::move(piece)));
      call.set(i, std::move(flat));
    } else {
      FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, i, value.dtype(), piece));
      for (int64_t row = 0; count > 0 && row < rows; ++row) {
        out.take(value, (row * shape[axis] + begin) * below, lengths[i] * below);
      }
      FERRY_RETURN_IF_ERROR(std::move(out).finish());
    }
    begin += lengths[i];
  }
  return {};
}

class UnpackKernel final : public Kernel {
 public:
  explicit UnpackKernel(int64_t axis) : axis_(axis) {}
  Status run(Call& call) const override {
    FERRY_ASSIGN_OR_RETURN(const size_t axis, axis_of(axis_, call.shape(0).rank()));
    const auto wanted = static_cast<int64_t>(call.node().output_dtypes().size());
    if (call.shape(0)[axis] != wanted) {
      return invalid_argument(ferry::concat("Input shape axis ", axis_, " must equal ", wanted, ", got shape ", call.shape(0).to_string()));
    }
    return part(call, 0, axis, std::vector<int64_t>(static_cast<size_t>(wanted), 1), true);
  }

 private:
  int64_t axis_;
};
Result<KernelRef> make_unpack(const NodeInfo& node) { return KernelRef(std::make_unique<UnpackKernel>(node.number("axis"))); }

Status split(Call& call) {
  if (call.shape(0).rank() != 0) return invalid_argument("split_dim must be a scalar");
  FERRY_ASSIGN_OR_RETURN(const int64_t given, call.integer(0));
  const Shape& shape = call.shape(1);
  FERRY_ASSIGN_OR_RETURN(const size_t axis, axis_of(given, shape.rank()));
  const auto ways = static_cast<int64_t>(call.node().output_dtypes().size());
  if (ways == 0) return invalid_argument("Number of ways to split should be > 0, but got 0");
  if (shape[axis] % ways != 0) {
    return invalid_argument(ferry::concat("Number of ways to split should evenly divide the split dimension, but got split_dim ", axis,
                                          " (size = ", shape[axis], ") and num_split ", ways));
  }
  return part(call, 1, axis, std::vector<int64_t>(static_cast<size_t>(ways), shape[axis] / ways), false);
}

Status split_v(Call& call) {
  if (call.in(2).num_elements() != 1) return invalid_argument("split_dim_tensor must have exactly one element.");
  FERRY_ASSIGN_OR_RETURN(const int64_t given, call.integer(2));
  const Shape& shape = call.shape(0);
  FERRY_ASSIGN_OR_RETURN(const size_t axis, axis_of(given, shape.rank()));
  FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> lengths, call.integers(1));
  const size_t ways = call.node().output_dtypes().size();
  if (call.shape(1).rank() != 1 || lengths.size() != ways || ways == 0) {
    return invalid_argument(ferry::concat("size of the split_tensor must be 1-D and have the same elements as outputs, got ",
                                          call.shape(1).to_string(), " for ", ways));
  }
  int64_t sum = 0;
  std::optional<size_t> unknown;
  for (size_t i = 0; i < ways; ++i) {
    if (lengths[i] == -1 && !unknown) {
      unknown = i;
    } else if (lengths[i] < 0) {
      return invalid_argument(ferry::concat("Split size at index ", i, " must be >= 0. Got: ", lengths[i]));
    } else if (__builtin_add_overflow(sum, lengths[i], &sum)) {
      return invalid_argument("the split sizes do not fit 63 bits");
    }
  }
  if (unknown ? sum > shape[axis] : sum != shape[axis]) {
    return invalid_argument(
        ferry::concat("Determined shape must match the size of the split dimension: sizes sum to ", sum, ", the axis has ", shape[axis]));
  }
  if (unknown) lengths[*unknown] = shape[axis] - sum;
  return part(call, 0, axis, lengths, false);
}

}  // namespace

#define FERRY_JOIN_OP(op, make) \
  extern const Op op##_op;      \
  const Op op##_op { #op, make }

FERRY_JOIN_OP(Concat, make_concat_v1);
FERRY_JOIN_OP(ConcatV2, make_concat_v2);
FERRY_JOIN_OP(Pack, make_pack);
FERRY_JOIN_OP(Unpack, make_unpack);
FERRY_JOIN_OP(Split, make_free<split>);
FERRY_JOIN_OP(SplitV, make_free<split_v>);

}  // namespace ferry::ops
