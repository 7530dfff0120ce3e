// Ops that hand values on: identities, branches and merges of TensorFlow 1, constants, placeholders, assertions.
#include "ops/kernel.h"

namespace ferry::ops {
namespace {

Status pass_all(Call& call) {
  for (size_t i = 0; i < call.num_outputs(); ++i) call.pass(i, i);
  return {};
}

Status nothing(Call&) { return {}; }

// Output 0 where the condition is false, output 1 where it is true; the other one is dead.
Status branch(Call& call) {
  const DenseTensor& condition = call.in(1);
  if (condition.num_elements() != 1 || condition.dtype() != DType::bool_) {
    return invalid_argument(concat("The second input must be a scalar, but it has shape ", condition.shape().to_string()));
  }
  const size_t taken = condition.values<bool>()[0] ? 1 : 0;
  call.pass(taken, 0);
  call.set(1 - taken, Value::dead());
  return {};
}

Status merge(Call& call) {
  for (size_t i = 0; i < call.num_inputs(); ++i) {
    if (call.value(i).is_dead()) continue;
    call.pass(0, i);
    call.set(1, DenseTensor::scalar(static_cast<int32_t>(i)));
    return {};
  }
  return internal_error("a Merge without a living input");
}

Status not_fed(Call& call) { return invalid_argument(concat("You must feed a value for placeholder tensor ", quoted(call.node().name()))); }

class ConstantKernel final : public Kernel {
 public:
  explicit ConstantKernel(DenseTensor value) : value_(std::move(value)) {}
  Status run(Call& call) const override {
    call.set(0, value_);
    return {};
  }

 private:
  DenseTensor value_;
};

class EnsureShapeKernel final : public Kernel {
 public:
  explicit EnsureShapeKernel(PartialShape shape) : shape_(std::move(shape)) {}
  Status run(Call& call) const override {
    const Shape& shape = call.shape(0);
    bool fits = !shape_.has_rank() || shape_.dims().rank() == shape.rank();
    for (size_t i = 0; fits && shape_.has_rank() && i < shape.rank(); ++i) fits = shape_.dims()[i] < 0 || shape_.dims()[i] == shape[i];
    if (!fits) {
      return invalid_argument(concat("Shape of tensor ", call.node().name(), " ", shape.to_string(),
                                     " is not compatible with expected shape ", shape_.to_string(), "."));
    }
    call.pass(0, 0);
    return {};
  }

 private:
  PartialShape shape_;
};

Result<KernelRef> make_ensure_shape(const NodeInfo& node) { return KernelRef(std::make_unique<EnsureShapeKernel>(node.shape("shape"))); }

class AssertKernel final : public Kernel {
 public:
  explicit AssertKernel(int64_t summarize) : summarize_(summarize) {}
  Status run(Call& call) const override {
    const DenseTensor& condition = call.in(0);
    if (condition.num_elements() != 1 || condition.dtype() != DType::bool_) {
      return invalid_argument(concat("In[0] should be a scalar: ", condition.shape().to_string()));
    }
    if (condition.values<bool>()[0]) return {};
    std::string out = "assertion failed:";
    for (size_t i = 1; i < call.num_inputs(); ++i) {
      if (!call.value(i).is_tensor()) continue;
      out += " [";
      const DenseTensor& data = call.in(i);
      const int64_t most = summarize_ < 0 ? data.num_elements() : std::min(summarize_, data.num_elements());
      for (int64_t k = 0; k < most; ++k) {
        if (k > 0) out += " ";
        if (data.is_string()) {
          out += data.strings()[k];
        } else {
          visit_dtype(data.dtype(), [&]<class T>(TypeTag<T>) {
            if constexpr (is_complex_v<T>) {
              out += "(complex)";
            } else {
              out += concat(static_cast<double>(to_arithmetic(data.values<T>()[static_cast<size_t>(k)])));
            }
          });
        }
      }
      out += most < data.num_elements() ? "...]" : "]";
    }
    return invalid_argument(std::move(out));
  }

 private:
  int64_t summarize_;
};

Result<KernelRef> make_assert(const NodeInfo& node) { return KernelRef(std::make_unique<AssertKernel>(node.number("summarize"))); }

}  // namespace

KernelRef make_constant_kernel(DenseTensor value) { return std::make_unique<ConstantKernel>(std::move(value)); }

#define FERRY_FLOW_OP(op, make, pure) \
  extern const Op op##_op;            \
  const Op op##_op { #op, make, pure }

FERRY_FLOW_OP(Identity, make_free<pass_all>, true);
FERRY_FLOW_OP(IdentityN, make_free<pass_all>, true);
FERRY_FLOW_OP(StopGradient, make_free<pass_all>, true);
FERRY_FLOW_OP(PreventGradient, make_free<pass_all>, true);
FERRY_FLOW_OP(Snapshot, make_free<pass_all>, true);
FERRY_FLOW_OP(GuaranteeConst, make_free<pass_all>, true);
FERRY_FLOW_OP(PlaceholderWithDefault, make_free<pass_all>, false);
FERRY_FLOW_OP(LoopCond, make_free<pass_all>, true);
FERRY_FLOW_OP(NoOp, make_free<nothing>, false);
FERRY_FLOW_OP(ControlTrigger, make_free<nothing>, false);
FERRY_FLOW_OP(Switch, make_free<branch>, false);
FERRY_FLOW_OP(RefSwitch, make_free<branch>, false);
FERRY_FLOW_OP(Merge, make_free<merge>, false);
FERRY_FLOW_OP(RefMerge, make_free<merge>, false);
FERRY_FLOW_OP(Placeholder, make_free<not_fed>, false);
FERRY_FLOW_OP(PlaceholderV2, make_free<not_fed>, false);
FERRY_FLOW_OP(EnsureShape, make_ensure_shape, true);
FERRY_FLOW_OP(Assert, make_assert, false);

}  // namespace ferry::ops
