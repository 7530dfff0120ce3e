// ScatterNd and the scatters into a copy of a tensor.
#include "ops/scatter.h"

namespace ferry::ops {
namespace {

// TensorFlow's two checks of these ops' shapes leave nothing that a vector of indices could mean.
Status check_places(const Call& call, size_t indices) {
  if (call.shape(indices).rank() == 1) {
    return invalid_argument(concat("the indices must be a matrix or of higher rank, not ", call.shape(indices).to_string()));
  }
  return {};
}

class ScatterNdKernel final : public Kernel {
 public:
  explicit ScatterNdKernel(BadIndex bad) : bad_(bad) {}
  Status run(Call& call) const override {
    if (call.shape(2).rank() != 1) return invalid_argument(concat("Shape must be a vector, got ", call.shape(2).to_string()));
    FERRY_ASSIGN_OR_RETURN(const Shape shape, call.shape_value(2));
    FERRY_RETURN_IF_ERROR(check_places(call, 0));
    FERRY_ASSIGN_OR_RETURN(const ScatterPlan plan, plan_scatter_nd(call, 0, 1, shape, bad_));
    return give_scattered(call, Combine::add, plan, nullptr, shape, call.value(1));
  }

 private:
  BadIndex bad_;
};
Result<KernelRef> make_scatter_nd(const NodeInfo& node) {
  FERRY_ASSIGN_OR_RETURN(const BadIndex bad, bad_index_policy(node));
  return KernelRef(std::make_unique<ScatterNdKernel>(bad));
}

class TensorScatterKernel final : public Kernel {
 public:
  TensorScatterKernel(Combine how, BadIndex bad) : how_(how), bad_(bad) {}
  Status run(Call& call) const override {
    FERRY_RETURN_IF_ERROR(check_places(call, 1));
    FERRY_ASSIGN_OR_RETURN(const ScatterPlan plan, plan_scatter_nd(call, 1, 2, call.shape(0), bad_));
    return give_scattered(call, how_, plan, &call.value(0), call.shape(0), call.value(2));
  }

 private:
  Combine how_;
  BadIndex bad_;
};
template <Combine kHow>
Result<KernelRef> make_tensor_scatter(const NodeInfo& node) {
  FERRY_ASSIGN_OR_RETURN(const BadIndex bad, bad_index_policy(node));
  return KernelRef(std::make_unique<TensorScatterKernel>(kHow, bad));
}

}  // namespace

#define FERRY_SCATTER_OP(op, make) \
  extern const Op op##_op;         \
  const Op op##_op { #op, make }

FERRY_SCATTER_OP(ScatterNd, make_scatter_nd);
FERRY_SCATTER_OP(ScatterNdNonAliasingAdd, make_tensor_scatter<Combine::add>);
FERRY_SCATTER_OP(TensorScatterUpdate, make_tensor_scatter<Combine::update>);
FERRY_SCATTER_OP(TensorScatterAdd, make_tensor_scatter<Combine::add>);
FERRY_SCATTER_OP(TensorScatterSub, make_tensor_scatter<Combine::subtract>);
FERRY_SCATTER_OP(TensorScatterMax, make_tensor_scatter<Combine::maximum>);
FERRY_SCATTER_OP(TensorScatterMin, make_tensor_scatter<Combine::minimum>);

}  // namespace ferry::ops
