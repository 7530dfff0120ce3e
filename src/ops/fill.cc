// Ops that make tensors out of few numbers.
#include <cmath>

#include "ops/move.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

Status fill(Call& call) {
  if (call.shape(0).rank() > 1) return invalid_argument(concat("dims must be a vector, got shape ", call.shape(0).to_string()));
  if (*call.shape(1).num_elements() != 1 || call.shape(1).rank() > 1) {
    return invalid_argument(concat("value must be a scalar, got shape ", call.shape(1).to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(const Shape shape, call.shape_value(0));
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, call.value(1).dtype(), shape));
  out.take(call.value(1), 0, *shape.num_elements(), 0);
  return std::move(out).finish();
}

Status zeros_like(Call& call) {
  const Value& x = call.value(0);
  FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, x.dtype(), x.shape()));
  out.take_zeros(*x.shape().num_elements());
  return std::move(out).finish();
}

Status ones_like(Call& call) {
  const DenseTensor& x = call.in(0);
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), x.shape()));
  return with_type(x.dtype(), Join<Numbers, Types<bool>>{},
                   [&]<class T>(TypeTag<T>) { std::fill_n(reinterpret_cast<T*>(out), x.num_elements(), T(Arithmetic<T>(1))); })
             ? Status()
             : no_kernel("OnesLike", x.dtype());
}

template <class T>
Status range(Call& call) {
  for (size_t i = 0; i < 3; ++i) {
    if (call.in(i).num_elements() != 1 || call.shape(i).rank() > 1) {
      return invalid_argument(concat("start, limit and delta must be scalars, not shape ", call.shape(i).to_string()));
    }
  }
  using A = Arithmetic<T>;
  const A start = to_arithmetic(call.values<T>(0)[0]), limit = to_arithmetic(call.values<T>(1)[0]),
          delta = to_arithmetic(call.values<T>(2)[0]);
  if (delta == A(0)) return invalid_argument("Requires delta != 0: 0");
  if (delta > A(0) ? start > limit : limit > start) {
    return invalid_argument(concat("Requires start ", delta > A(0) ? "<=" : ">=", " limit when delta ", delta > A(0) ? ">" : "<", " 0"));
  }
  int64_t count = 0;
  if constexpr (std::is_integral_v<A>) {
    const auto gap = start < limit ? static_cast<uint64_t>(limit) - static_cast<uint64_t>(start)
                                   : static_cast<uint64_t>(start) - static_cast<uint64_t>(limit);
    const uint64_t by = delta > 0 ? static_cast<uint64_t>(delta) : 0 - static_cast<uint64_t>(delta);
    const uint64_t steps = gap / by + (gap % by != 0 ? 1 : 0);
    if (steps > static_cast<uint64_t>(INT64_MAX)) return invalid_argument("Requires ((limit - start) / delta) <= 9223372036854775807");
    count = static_cast<int64_t>(steps);
  } else {
    const double steps = std::ceil(std::abs(static_cast<double>(to_arithmetic(T(to_arithmetic(T(limit - start)) / delta)))));
    if (!(steps < 9.2e18)) return invalid_argument("Requires ((limit - start) / delta) <= 9223372036854775807");
    count = static_cast<int64_t>(steps);
  }
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(0, dtype_of<T>(), Shape{count}));
  if constexpr (std::is_integral_v<A>) {
    auto at = static_cast<uint64_t>(start);
    for (T& x : out) {
      x = static_cast<T>(at);
      at += static_cast<uint64_t>(delta);
    }
  } else {
    // Each step of it in the dtype itself, as TensorFlow.
    for (size_t i = 0; i < out.size(); ++i) out[i] = T(start + to_arithmetic(T(to_arithmetic(T(static_cast<A>(i))) * delta)));
  }
  return {};
}
Result<KernelRef> make_range(const NodeInfo& node) {
  KernelRef out;
  const DType dtype = node.input_dtypes()[0];
  with_type(dtype, Join<Floats, Types<int32_t, int64_t>>{}, [&]<class T>(TypeTag<T>) { out = std::make_unique<FreeKernel<range<T>>>(); });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

template <class T>
Status lin_space(Call& call) {
  for (size_t i = 0; i < 3; ++i) {
    if (call.shape(i).rank() != 0)
      return invalid_argument(concat("start, stop and num must be scalars, not shape ", call.shape(i).to_string()));
  }
  const T start = call.values<T>(0)[0], stop = call.values<T>(1)[0];
  FERRY_ASSIGN_OR_RETURN(const int64_t count, call.integer(2));
  if (count <= 0) return invalid_argument(concat("Requires num > 0: ", count));
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(0, dtype_of<T>(), Shape{count}));
  out[0] = start;
  if (count > 1) {
    const T step = (stop - start) / static_cast<T>(count - 1);
    for (int64_t i = 1; i < count - 1; ++i) out[static_cast<size_t>(i)] = start + step * static_cast<T>(i);
    out[static_cast<size_t>(count - 1)] = stop;
  }
  return {};
}
Result<KernelRef> make_lin_space(const NodeInfo& node) {
  if (node.input_dtypes()[0] == DType::float64) return make_free<lin_space<double>>(node);
  return make_free<lin_space<float>>(node);
}

class OneHotKernel final : public Kernel {
 public:
  explicit OneHotKernel(int64_t axis) : axis_(axis) {}
  Status run(Call& call) const override {
    const Shape& places = call.shape(0);
    for (size_t i = 1; i < 4; ++i) {
      if (call.shape(i).rank() != 0)
        return invalid_argument(concat("depth, on_value and off_value must be scalars, not shape ", call.shape(i).to_string()));
    }
    FERRY_ASSIGN_OR_RETURN(const int64_t depth, call.integer(1));
    if (depth < 0) return invalid_argument(concat("depth must be non-negative, got: ", depth));
    if (axis_ < -1 || axis_ > static_cast<int64_t>(places.rank())) {
      return invalid_argument(concat("Expected axis to be -1 or between [0, ", places.rank() + 1, ").  But received: ", axis_));
    }
    const size_t axis = axis_ == -1 ? places.rank() : static_cast<size_t>(axis_);
    std::vector<int64_t> dims(places.begin(), places.end());
    dims.insert(dims.begin() + static_cast<int64_t>(axis), depth);
    FERRY_ASSIGN_OR_RETURN(const Shape shape, Shape::checked(dims, call.run().limits));
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> indices, call.integers(0));
    const Value &on = call.value(2), &off = call.value(3);
    FERRY_ASSIGN_OR_RETURN(Mover out, Mover::into(call, 0, on.dtype(), shape));
    if (*shape.num_elements() > 0) {
      const int64_t rows = product(places, 0, axis), below = product(places, axis, places.rank());
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t* const at = indices.data() + row * below;
        if (below == 1) {  // runs of off around one on
          const bool inside = *at >= 0 && *at < depth;
          out.take(off, 0, inside ? *at : depth, 0);
          if (inside) {
            out.take(on, 0, 1);
            out.take(off, 0, depth - *at - 1, 0);
          }
          continue;
        }
        for (int64_t d = 0; d < depth; ++d) {
          for (int64_t i = 0; i < below;) {
            const bool is_on = at[i] == d;
            int64_t end = i + 1;
            while (end < below && (at[end] == d) == is_on) ++end;
            out.take(is_on ? on : off, 0, end - i, 0);
            i = end;
          }
        }
      }
    }
    return std::move(out).finish();
  }

 private:
  int64_t axis_;
};
Result<KernelRef> make_one_hot(const NodeInfo& node) { return KernelRef(std::make_unique<OneHotKernel>(node.number("axis"))); }

}  // namespace

#define FERRY_FILL_OP(op, make) \
  extern const Op op##_op;      \
  const Op op##_op { #op, make }

FERRY_FILL_OP(Fill, make_free<fill>);
FERRY_FILL_OP(ZerosLike, make_free<zeros_like>);
FERRY_FILL_OP(OnesLike, make_free<ones_like>);
FERRY_FILL_OP(Range, make_range);
FERRY_FILL_OP(LinSpace, make_lin_space);
FERRY_FILL_OP(OneHot, make_one_hot);

}  // namespace ferry::ops
