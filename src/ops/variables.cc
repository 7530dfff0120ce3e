// Ops on variables: TensorFlow 2's handles and TensorFlow 1's references.
#include "ops/elementwise.h"
#include "ops/kernel.h"
#include "ops/state.h"
#include "ops/variable.h"

namespace ferry::ops {
namespace {

// What an exporter writes as shared_name of a variable that nobody else shall find.
constexpr std::string_view kAnonymous = "cd2c89b7-88b7-44c8-ad83-06c2a9158347";

// The variable of a node, by its container and shared name, else by its own.
Result<std::shared_ptr<Variable>> variable_of(const NodeInfo& node) {
  const DType dtype = node.type("dtype");
  PartialShape shape = node.shape("shape");
  const std::string shared_name = node.text("shared_name");
  std::string name(shared_name.empty() || shared_name == kAnonymous ? node.name() : shared_name);
  FERRY_RETURN_IF_ERROR(node.status());
  if (const std::string container = node.text("container"); !container.empty()) name = concat(container, "\n", name);
  const auto make = [&] {
    auto variable = std::make_shared<Variable>(name, dtype, shape);
    if (node.state() != nullptr) variable->load_with(node.state()->variable_loader(node.name(), shared_name));
    return variable;
  };
  if (node.state() == nullptr) return make();
  return node.state()->find_or_make<Variable>(name, make);
}

class ValueKernel final : public Kernel {
 public:
  explicit ValueKernel(Value value) : value_(std::move(value)) {}
  Status run(Call& call) const override {
    call.set(0, value_);
    return {};
  }

 private:
  Value value_;
};

Result<KernelRef> make_handle(const NodeInfo& node) {
  FERRY_ASSIGN_OR_RETURN(auto variable, variable_of(node));
  return KernelRef(std::make_unique<ValueKernel>(Value(DType::resource, std::move(variable))));
}
Result<KernelRef> make_reference(const NodeInfo& node) {
  FERRY_ASSIGN_OR_RETURN(auto variable, variable_of(node));
  const DType dtype = variable->dtype();
  return KernelRef(std::make_unique<ValueKernel>(Value::reference(std::move(variable), dtype)));
}

// Of a handle or a reference.
Result<std::shared_ptr<Variable>> target(const Call& call, size_t i) {
  if (auto out = std::dynamic_pointer_cast<Variable>(call.value(i).object_ref())) return out;
  return invalid_argument(concat("input ", i, " is no variable"));
}

Status read_variable(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const auto variable, target(call, 0));
  FERRY_ASSIGN_OR_RETURN(Value value, variable->read());
  call.set(0, std::move(value));
  return {};
}

Status assign_variable(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const auto variable, target(call, 0));
  FERRY_RETURN_IF_ERROR(variable->assign(call.value(1)));
  if (call.num_outputs() > 0 && !call.node().output_dtypes().empty()) call.pass(0, 0);
  return {};
}

// Sum or difference, of the dtypes that TensorFlow adds.
struct Sum {
  template <class A>
  static A apply(A a, A b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
};
struct Difference {
  template <class A>
  static A apply(A a, A b) {
    return wrapping(a, b, [](auto x, auto y) { return x - y; });
  }
};

template <class F>
Status change_variable(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const auto variable, target(call, 0));
  const DenseTensor& by = call.in(1);
  FERRY_RETURN_IF_ERROR(variable->change([&](const DenseTensor& now, std::byte* elements) -> Status {
    if (now.shape() != by.shape() || now.dtype() != by.dtype()) {
      return invalid_argument(concat("the variable ", quoted(variable->name()), " has shape ", now.shape().to_string(), ", the value ",
                                     by.shape().to_string()));
    }
    bool known = with_type(now.dtype(), Numbers{}, [&]<class T>(TypeTag<T>) {
      (void)binary_loop<F, T, T>(elements, 1, by.raw(), 1, elements, now.num_elements());
    });
    return known ? Status() : no_kernel(call.node().op(), now.dtype());
  }));
  if (!call.node().output_dtypes().empty()) call.pass(0, 0);
  return {};
}

Status is_initialized(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const auto variable, target(call, 0));
  call.set(0, DenseTensor::scalar(variable->is_initialized()));
  return {};
}

Status variable_shape(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const auto variable, target(call, 0));
  FERRY_ASSIGN_OR_RETURN(const Value value, variable->read());
  const Shape& shape = value.shape();
  if (call.node().output_dtypes()[0] == DType::int64) {
    call.set(0, DenseTensor::vector<int64_t>(shape.dims()));
  } else {
    std::vector<int32_t> dims(shape.begin(), shape.end());
    call.set(0, DenseTensor::vector<int32_t>(dims));
  }
  return {};
}

Status forget(Call&) { return {}; }
Status pass_handle(Call& call) {
  call.pass(0, 0);
  return {};
}

}  // namespace

#define FERRY_STATE_OP(op, make) \
  extern const Op op##_op;       \
  const Op op##_op { #op, make, false }

FERRY_STATE_OP(VarHandleOp, make_handle);
FERRY_STATE_OP(Variable, make_reference);
FERRY_STATE_OP(VariableV2, make_reference);
FERRY_STATE_OP(ReadVariableOp, make_free<read_variable>);
FERRY_STATE_OP(AssignVariableOp, make_free<assign_variable>);
FERRY_STATE_OP(Assign, make_free<assign_variable>);
FERRY_STATE_OP(AssignAddVariableOp, make_free<change_variable<Sum>>);
FERRY_STATE_OP(AssignAdd, make_free<change_variable<Sum>>);
FERRY_STATE_OP(AssignSubVariableOp, make_free<change_variable<Difference>>);
FERRY_STATE_OP(AssignSub, make_free<change_variable<Difference>>);
FERRY_STATE_OP(VarIsInitializedOp, make_free<is_initialized>);
FERRY_STATE_OP(IsVariableInitialized, make_free<is_initialized>);
FERRY_STATE_OP(VariableShape, make_free<variable_shape>);
FERRY_STATE_OP(DestroyResourceOp, make_free<forget>);
FERRY_STATE_OP(DisableCopyOnRead, make_free<forget>);
FERRY_STATE_OP(RefIdentity, make_free<pass_handle>);

}  // namespace ferry::ops
