// Scatters into variables and gathers from them: of handles and of TensorFlow 1's references.
#include "ops/scatter.h"
#include "ops/types.h"
#include "ops/variable.h"

namespace ferry::ops {
namespace {

Result<std::shared_ptr<Variable>> variable_of(const Call& call) {
  if (auto out = std::dynamic_pointer_cast<Variable>(call.value(0).object_ref())) return out;
  return invalid_argument("input 0 is no variable");
}

class ScatterKernel final : public Kernel {
 public:
  ScatterKernel(Combine how, std::optional<BadIndex> nd) : how_(how), nd_(nd) {}
  Status run(Call& call) const override {
    FERRY_ASSIGN_OR_RETURN(const auto variable, variable_of(call));
    const Value& updates = call.value(2);
    if (updates.dtype() != variable->dtype()) {
      return invalid_argument(concat("the variable ", quoted(variable->name()), " is ", dtype_name(variable->dtype()), ", the updates ",
                                     dtype_name(updates.dtype())));
    }
    if (!updates.is_tensor()) return no_kernel(call.node().op(), updates.dtype());
    const auto plan_for = [&](const Shape& shape) {
      return nd_ ? plan_scatter_nd(call, 1, 2, shape, *nd_) : plan_scatter_rows(call, 1, 2, shape);
    };
    if (updates.dtype() == DType::string) {
      FERRY_RETURN_IF_ERROR(variable->update([&](const DenseTensor& now) -> Result<DenseTensor> {
        FERRY_ASSIGN_OR_RETURN(const ScatterPlan plan, plan_for(now.shape()));
        const Value base(now);
        return scattered_strings(call, how_, plan, &base, now.shape(), updates.tensor().strings());
      }));
    } else {
      FERRY_RETURN_IF_ERROR(variable->change([&](const DenseTensor& now, std::byte* elements) -> Status {
        FERRY_ASSIGN_OR_RETURN(const ScatterPlan plan, plan_for(now.shape()));
        return scatter(how_, plan, updates.tensor(), elements, call.node().op());
      }));
    }
    if (!call.node().output_dtypes().empty()) call.pass(0, 0);
    return {};
  }

 private:
  Combine how_;
  std::optional<BadIndex> nd_;
};

template <Combine kHow>
Result<KernelRef> make_rows(const NodeInfo&) {
  return KernelRef(std::make_unique<ScatterKernel>(kHow, std::nullopt));
}
template <Combine kHow>
Result<KernelRef> make_nd(const NodeInfo& node) {
  FERRY_ASSIGN_OR_RETURN(const BadIndex bad, bad_index_policy(node));
  return KernelRef(std::make_unique<ScatterKernel>(kHow, bad));
}

class GatherKernel final : public Kernel {
 public:
  explicit GatherKernel(int64_t batch) : batch_(batch) {}
  Status run(Call& call) const override {
    FERRY_ASSIGN_OR_RETURN(const auto variable, variable_of(call));
    FERRY_ASSIGN_OR_RETURN(const Value params, variable->read());
    return gather(call, params, 1, batch_, batch_);
  }

 private:
  int64_t batch_;
};
Result<KernelRef> make_gather(const NodeInfo& node) { return KernelRef(std::make_unique<GatherKernel>(node.number("batch_dims"))); }

Status gather_points(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const auto variable, variable_of(call));
  FERRY_ASSIGN_OR_RETURN(const Value params, variable->read());
  return gather_nd(call, params, 1, BadIndex::error);
}

}  // namespace

#define FERRY_STATE_OP(op, make) \
  extern const Op op##_op;       \
  const Op op##_op { #op, make, false }

FERRY_STATE_OP(ScatterAdd, make_rows<Combine::add>);
FERRY_STATE_OP(ScatterDiv, make_rows<Combine::divide>);
FERRY_STATE_OP(ScatterMax, make_rows<Combine::maximum>);
FERRY_STATE_OP(ScatterMin, make_rows<Combine::minimum>);
FERRY_STATE_OP(ScatterMul, make_rows<Combine::multiply>);
FERRY_STATE_OP(ScatterSub, make_rows<Combine::subtract>);
FERRY_STATE_OP(ScatterUpdate, make_rows<Combine::update>);
FERRY_STATE_OP(ScatterNdAdd, make_nd<Combine::add>);
FERRY_STATE_OP(ScatterNdMax, make_nd<Combine::maximum>);
FERRY_STATE_OP(ScatterNdMin, make_nd<Combine::minimum>);
FERRY_STATE_OP(ScatterNdSub, make_nd<Combine::subtract>);
FERRY_STATE_OP(ScatterNdUpdate, make_nd<Combine::update>);
FERRY_STATE_OP(ResourceScatterAdd, make_rows<Combine::add>);
FERRY_STATE_OP(ResourceScatterDiv, make_rows<Combine::divide>);
FERRY_STATE_OP(ResourceScatterMax, make_rows<Combine::maximum>);
FERRY_STATE_OP(ResourceScatterMin, make_rows<Combine::minimum>);
FERRY_STATE_OP(ResourceScatterMul, make_rows<Combine::multiply>);
FERRY_STATE_OP(ResourceScatterSub, make_rows<Combine::subtract>);
FERRY_STATE_OP(ResourceScatterUpdate, make_rows<Combine::update>);
FERRY_STATE_OP(ResourceScatterNdAdd, make_nd<Combine::add>);
FERRY_STATE_OP(ResourceScatterNdMax, make_nd<Combine::maximum>);
FERRY_STATE_OP(ResourceScatterNdMin, make_nd<Combine::minimum>);
FERRY_STATE_OP(ResourceScatterNdSub, make_nd<Combine::subtract>);
FERRY_STATE_OP(ResourceScatterNdUpdate, make_nd<Combine::update>);
FERRY_STATE_OP(ResourceGather, make_gather);
FERRY_STATE_OP(ResourceGatherNd, make_free<gather_points>);

}  // namespace ferry::ops
