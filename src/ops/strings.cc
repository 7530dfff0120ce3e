#include "ops/strings.h"

#include "ops/broadcast.h"

namespace ferry::ops {
namespace {

class StringEquality final : public Kernel {
 public:
  StringEquality(bool equal, bool errors) : equal_(equal), errors_(errors) {}
  Status run(Call& call) const override {
    auto plan = Broadcast::of(call.shape(0), call.shape(1));
    if (!plan.ok()) {
      if (errors_) return plan.status();
      call.set(0, DenseTensor::scalar(!equal_));
      return {};
    }
    FERRY_ASSIGN_OR_RETURN(const auto out, call.make<bool>(0, DType::bool_, plan->out));
    const StringsView a = call.in(0).strings(), b = call.in(1).strings();
    plan->for_each_row([&](int64_t x, int64_t y, int64_t to) {
      for (int64_t i = 0; i < plan->run(); ++i) {
        out[static_cast<size_t>(to + i)] = (a[x + i * plan->run_step_a()] == b[y + i * plan->run_step_b()]) == equal_;
      }
    });
    return {};
  }

 private:
  bool equal_, errors_;
};

Status add_strings(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Broadcast plan, Broadcast::of(call.shape(0), call.shape(1)));
  const StringsView a = call.in(0).strings(), b = call.in(1).strings();
  StringsBuilder out;
  Status status;
  std::string text;
  plan.for_each_row([&](int64_t x, int64_t y, int64_t) {
    for (int64_t i = 0; i < plan.run() && status.ok(); ++i) {
      text = a[x + i * plan.run_step_a()];
      text += b[y + i * plan.run_step_b()];
      status = out.append(text);
    }
  });
  FERRY_RETURN_IF_ERROR(status);
  FERRY_ASSIGN_OR_RETURN(DenseTensor tensor, std::move(out).finish(plan.out));
  call.set(0, std::move(tensor));
  return {};
}

}  // namespace

Result<KernelRef> make_string_equality(bool equal, bool errors) { return KernelRef(std::make_unique<StringEquality>(equal, errors)); }
Result<KernelRef> make_string_sum() { return KernelRef(std::make_unique<FreeKernel<add_strings>>()); }

}  // namespace ferry::ops
