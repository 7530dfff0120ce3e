// Ops on shapes: asking for them, and giving the same elements another one.
#include <algorithm>

#include "ops/move.h"

namespace ferry::ops {
namespace {

Status shapes(Call& call) {  // Shape, ShapeN
  for (size_t i = 0; i < call.num_outputs(); ++i) {
    const Shape& shape = call.shape(i);
    FERRY_RETURN_IF_ERROR(give_integers(call, i, Shape{static_cast<int64_t>(shape.rank())}, shape.dims()));
  }
  return {};
}

Status size(Call& call) {
  const auto count = call.shape(0).num_elements();
  if (!count) return invalid_argument(concat("shape ", call.shape(0).to_string(), " has more elements than 63 bits can count"));
  return give_integers(call, 0, Shape{}, std::span(&*count, 1));
}

Status rank(Call& call) {
  call.set(0, DenseTensor::scalar(static_cast<int32_t>(call.shape(0).rank())));
  return {};
}

Status give_reshaped(Call& call, Shape shape) {
  if (shape == call.shape(0)) {
    call.pass(0, 0);
    return {};
  }
  FERRY_ASSIGN_OR_RETURN(Value out, reshaped(call.value(0), std::move(shape)));
  call.set(0, std::move(out));
  return {};
}

Status reshape(Call& call) {
  if (call.shape(1).rank() > 1) {
    return invalid_argument(concat("sizes input must be 1-D, not ", call.shape(1).to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> dims, call.integers(1));
  const int64_t count = *call.shape(0).num_elements();
  std::optional<size_t> unknown;
  bool some_empty = false;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == -1) {
      if (unknown) return invalid_argument(concat("Only one input size may be -1, not both ", *unknown, " and ", i));
      unknown = i;
      dims[i] = 1;
    } else if (dims[i] < 0) {
      return invalid_argument(concat("Size ", i, " must be non-negative, not ", dims[i]));
    }
    some_empty |= dims[i] == 0;
  }
  FERRY_ASSIGN_OR_RETURN(Shape shape, Shape::checked(dims, call.run().limits));
  if (unknown) {
    // Where sizes are 0, the others share what the axes that are not 0 hold.
    Shape full_from, full_to;
    for (int64_t dim : call.shape(0)) full_from.append(some_empty && dim == 0 ? 1 : dim);
    for (int64_t dim : shape) full_to.append(dim == 0 ? 1 : dim);
    const auto have = full_from.num_elements(), known = full_to.num_elements();
    if (!have || !known || (!some_empty && *have % *known != 0)) {
      return invalid_argument(concat("Input to reshape is a tensor with ", count,
                                     " values, but the requested shape requires a multiple of ", known.value_or(0)));
    }
    shape[*unknown] = *have / *known;
  }
  if (shape.num_elements() != count) {
    return invalid_argument(concat("Input to reshape is a tensor with ", count, " values, but the requested shape is ", shape.to_string()));
  }
  return give_reshaped(call, std::move(shape));
}

Status expand_dims(Call& call) {
  FERRY_ASSIGN_OR_RETURN(int64_t dim, call.integer(1));
  const Shape& shape = call.shape(0);
  const auto rank = static_cast<int64_t>(shape.rank());
  if (dim < -1 - rank || dim > rank) {
    return invalid_argument(concat("Tried to expand dim index ", dim, " for tensor with ", rank, " dimensions."));
  }
  if (dim < 0) dim += rank + 1;
  std::vector<int64_t> dims(shape.begin(), shape.end());
  dims.insert(dims.begin() + dim, 1);
  FERRY_ASSIGN_OR_RETURN(Shape out, Shape::checked(dims, call.run().limits));
  return give_reshaped(call, std::move(out));
}

class SqueezeKernel final : public Kernel {
 public:
  explicit SqueezeKernel(std::vector<int64_t> axes) : axes_(std::move(axes)) {}
  Status run(Call& call) const override {
    const Shape& shape = call.shape(0);
    const auto rank = static_cast<int64_t>(shape.rank());
    std::vector<bool> wanted(shape.rank(), axes_.empty());
    for (int64_t axis : axes_) {
      if (axis < -rank || axis >= rank) {
        return invalid_argument(concat("Tried to squeeze dim index ", axis, " for tensor with ", rank, " dimensions."));
      }
      wanted[static_cast<size_t>(axis < 0 ? axis + rank : axis)] = true;
    }
    Shape out;
    for (size_t i = 0; i < shape.rank(); ++i) {
      if (wanted[i] && shape[i] == 1) continue;
      if (wanted[i] && !axes_.empty()) {
        return invalid_argument(concat("Can not squeeze dim[", i, "], expected a dimension of 1, got ", shape[i]));
      }
      out.append(shape[i]);
    }
    return give_reshaped(call, std::move(out));
  }

 private:
  std::vector<int64_t> axes_;
};
Result<KernelRef> make_squeeze(const NodeInfo& node) { return KernelRef(std::make_unique<SqueezeKernel>(node.numbers("squeeze_dims"))); }

Status bitcast(Call& call) {
  const DenseTensor& x = call.in(0);
  const DType to = call.node().output_dtypes()[0];
  const size_t from_size = dtype_size(x.dtype()), to_size = dtype_size(to);
  if (from_size == 0 || to_size == 0) {
    return invalid_argument(concat("Cannot bitcast types ", dtype_name(x.dtype()), " to ", dtype_name(to)));
  }
  std::vector<int64_t> dims(x.shape().begin(), x.shape().end());
  if (from_size > to_size) {
    dims.push_back(static_cast<int64_t>(from_size / to_size));
  } else if (from_size < to_size) {
    const auto parts = static_cast<int64_t>(to_size / from_size);
    if (dims.empty() || dims.back() != parts) {
      return invalid_argument(concat("Cannot bitcast from ", dtype_name(x.dtype()), " to ", dtype_name(to), " due to shape ",
                                     x.shape().to_string(), ": its last axis must have length ", parts));
    }
    dims.pop_back();
  }
  FERRY_ASSIGN_OR_RETURN(Shape shape, Shape::checked(dims, call.run().limits));
  FERRY_ASSIGN_OR_RETURN(DenseTensor out, DenseTensor::make(to, std::move(shape), x.buffer()));
  call.set(0, std::move(out));
  return {};
}

Status broadcast_args(Call& call) {
  if (call.shape(0).rank() != 1 || call.shape(1).rank() != 1) {
    return invalid_argument(concat("the shapes must be vectors, not ", call.shape(0).to_string(), " and ", call.shape(1).to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> a, call.integers(0));
  FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> b, call.integers(1));
  if (a.size() < b.size()) a.swap(b);
  const size_t shift = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    int64_t& x = a[i + shift];
    if (x != b[i] && x != 1 && b[i] != 1) return invalid_argument(concat("Incompatible shapes for broadcasting: ", x, " and ", b[i]));
    if (x == 1) x = b[i];
  }
  return give_integers(call, 0, Shape{static_cast<int64_t>(a.size())}, a);
}

// Where each of several tensors starts in what ConcatV2 makes of them; from their shapes.
Status concat_offset(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const int64_t given, call.integer(0));
  const size_t count = call.num_inputs() - 1;
  if (count == 0) return {};
  if (call.shape(0).rank() != 0) return invalid_argument(concat("Concat dim tensor should be a scalar, not ", call.shape(0).to_string()));
  if (call.shape(1).rank() != 1) return invalid_argument(concat("input 1 should be a vector, not ", call.shape(1).to_string()));
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> first, call.integers(1));
  FERRY_ASSIGN_OR_RETURN(const size_t axis, axis_of(given, first.size()));
  int64_t offset = 0;
  for (size_t i = 0; i < count; ++i) {
    if (call.shape(i + 1) != call.shape(1)) {
      return invalid_argument(concat("input ", i + 1, " should have as many elements as the first shape, ", first.size()));
    }
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, call.integers(i + 1));
    for (size_t k = 0; k < dims.size(); ++k) {
      if (k != axis && dims[k] != first[k]) {
        return invalid_argument(concat("All dimensions except ", axis, " must match. Input ", i + 1, " has ", dims[k], " in dimension ", k,
                                       ", the first has ", first[k]));
      }
    }
    std::vector<int64_t> out(dims.size(), 0);
    out[axis] = offset;
    FERRY_RETURN_IF_ERROR(give_integers(call, i, call.shape(1), out));
    if (__builtin_add_overflow(offset, dims[axis], &offset)) return invalid_argument("the offsets do not fit 63 bits");
  }
  return {};
}

}  // namespace

#define FERRY_SHAPE_OP(op, make) \
  extern const Op op##_op;       \
  const Op op##_op { #op, make }

FERRY_SHAPE_OP(Shape, make_free<shapes>);
FERRY_SHAPE_OP(ShapeN, make_free<shapes>);
FERRY_SHAPE_OP(Size, make_free<size>);
FERRY_SHAPE_OP(Rank, make_free<rank>);
FERRY_SHAPE_OP(Reshape, make_free<reshape>);
FERRY_SHAPE_OP(ExpandDims, make_free<expand_dims>);
FERRY_SHAPE_OP(Squeeze, make_squeeze);
FERRY_SHAPE_OP(Bitcast, make_free<bitcast>);
FERRY_SHAPE_OP(BroadcastArgs, make_free<broadcast_args>);
FERRY_SHAPE_OP(ConcatOffset, make_free<concat_offset>);

}  // namespace ferry::ops
