#include "ops/elementwise.h"

#include <mutex>

namespace ferry::ops {

Status UnaryKernel::run(Call& call) const {
  const DenseTensor& x = call.in(0);
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, out_, x.shape()));
  const auto* const in = static_cast<const std::byte*>(x.raw());
  const size_t width = dtype_size(out_);
  if (x.num_elements() <= grain_) {
    loop_(in, out, x.num_elements());
    return {};
  }
  parallel_for(call.run().pool, x.num_elements(), grain_,
               [&](int64_t begin, int64_t end) { loop_(in + begin * in_, out + begin * width, end - begin); });
  return {};
}

Status BinaryKernel::run(Call& call) const {
  const DenseTensor &x = call.in(0), &y = call.in(1);
  const size_t width = dtype_size(out_);
  const auto *const a = static_cast<const std::byte*>(x.raw()), *const b = static_cast<const std::byte*>(y.raw());
  // The two commonest cases need no plan: alike, or one of them a scalar.
  if (x.shape() == y.shape() || y.num_elements() == 1 || x.num_elements() == 1) {
    const bool alike = x.shape() == y.shape();
    if (alike || (y.num_elements() == 1 && y.shape().rank() <= x.shape().rank()) ||
        (x.num_elements() == 1 && x.shape().rank() <= y.shape().rank())) {
      const bool first = alike || (y.num_elements() == 1 && y.shape().rank() <= x.shape().rank());
      const DenseTensor& larger = first ? x : y;
      FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, out_, larger.shape()));
      const int64_t step_a = first ? 1 : 0, step_b = alike || !first ? 1 : 0, count = larger.num_elements();
      constexpr int64_t kGrain = 65536;
      if (count <= kGrain || call.run().pool == nullptr) return loop_(a, step_a, b, step_b, out, count);
      std::mutex mutex;
      Status first_failure;
      parallel_for(call.run().pool, count, kGrain, [&](int64_t begin, int64_t end) {
        Status status = loop_(a + begin * step_a * static_cast<int64_t>(in_), step_a, b + begin * step_b * static_cast<int64_t>(in_),
                              step_b, out + begin * static_cast<int64_t>(width), end - begin);
        if (status.ok()) return;
        const std::scoped_lock lock(mutex);
        if (first_failure.ok()) first_failure = std::move(status);
      });
      return first_failure;
    }
  }
  auto found = Broadcast::of(x.shape(), y.shape());
  if (!found.ok()) {
    if (!unfit_) return found.status();
    call.set(0, DenseTensor::scalar(*unfit_));
    return {};
  }
  const Broadcast& plan = *found;
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, out_, plan.out));
  Status status;
  plan.for_each_row([&](int64_t at_a, int64_t at_b, int64_t at_out) {
    if (!status.ok()) return;
    status = loop_(a + at_a * static_cast<int64_t>(in_), plan.run_step_a(), b + at_b * static_cast<int64_t>(in_), plan.run_step_b(),
                   out + at_out * static_cast<int64_t>(width), plan.run());
  });
  return status;
}

}  // namespace ferry::ops
