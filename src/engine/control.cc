#include "engine/control.h"

#include <algorithm>

namespace ferry::engine {
namespace {

using ops::Call;
using ops::Kernel;
using ops::KernelRef;
using ops::NodeInfo;
using ops::Value;

constexpr int kMostDepth = 500;  // of functions that call functions: the machine's stack is the limit

Status run_nested(const Schedule& schedule, Call& call, std::span<Value> feeds, std::span<Value> fetches) {
  if (schedule.num_feeds() != feeds.size() || schedule.num_fetches() != fetches.size()) {
    return invalid_argument(concat("a function of ", schedule.num_feeds(), " arguments and ", schedule.num_fetches(),
                                   " results is called with ", feeds.size(), " for ", fetches.size()));
  }
  if (call.run().depth >= kMostDepth) return limit_exceeded(concat("functions call one another ", kMostDepth, " deep"));
  ++call.run().depth;
  Status status = schedule.run(call.run(), feeds, fetches);
  --call.run().depth;
  return status;
}

// TensorFlow's idea of truth: a scalar that is not zero or "", or a tensor with elements.
Result<bool> is_true(const Value& value) {
  if (!value.is_tensor()) return invalid_argument(concat("a condition of dtype ", dtype_name(value.dtype())));
  const DenseTensor& x = value.tensor();
  if (x.shape().rank() != 0) return x.num_elements() > 0;
  if (x.is_string()) return !x.strings()[0].empty();
  return visit_dtype(x.dtype(), [&]<class T>(TypeTag<T>) { return to_arithmetic(x.values<T>()[0]) != Arithmetic<T>(0); });
}

std::vector<Value> copies(const Call& call, size_t from) {
  std::vector<Value> out;
  out.reserve(call.num_inputs() - from);
  for (size_t i = from; i < call.num_inputs(); ++i) out.push_back(call.value(i));
  return out;
}

Status run_into(const Schedule& schedule, Call& call, std::span<Value> feeds) {
  std::vector<Value> results(call.num_outputs());
  FERRY_RETURN_IF_ERROR(run_nested(schedule, call, feeds, results));
  for (size_t i = 0; i < results.size(); ++i) call.set(i, std::move(results[i]));
  return {};
}

class CallKernel final : public Kernel {
 public:
  explicit CallKernel(const FunctionSchedule* function) : function_(function) {}
  Status run(Call& call) const override {
    std::vector<Value> feeds = copies(call, 0);
    return run_into(function_->schedule, call, feeds);
  }

 private:
  const FunctionSchedule* function_;
};

class IfKernel final : public Kernel {
 public:
  IfKernel(const FunctionSchedule* then, const FunctionSchedule* otherwise) : then_(then), else_(otherwise) {}
  Status run(Call& call) const override {
    FERRY_ASSIGN_OR_RETURN(const bool taken, is_true(call.value(0)));
    std::vector<Value> feeds = copies(call, 1);
    return run_into((taken ? then_ : else_)->schedule, call, feeds);
  }

 private:
  const FunctionSchedule *then_, *else_;
};

class CaseKernel final : public Kernel {
 public:
  explicit CaseKernel(std::vector<const FunctionSchedule*> branches) : branches_(std::move(branches)) {}
  Status run(Call& call) const override {
    FERRY_ASSIGN_OR_RETURN(int64_t which, call.integer(0));
    if (which < 0 || which >= static_cast<int64_t>(branches_.size())) which = static_cast<int64_t>(branches_.size()) - 1;
    std::vector<Value> feeds = copies(call, 1);
    return run_into(branches_[static_cast<size_t>(which)]->schedule, call, feeds);
  }

 private:
  std::vector<const FunctionSchedule*> branches_;
};

class WhileKernel final : public Kernel {
 public:
  WhileKernel(const FunctionSchedule* condition, const FunctionSchedule* body) : condition_(condition), body_(body) {}
  Status run(Call& call) const override {
    std::vector<Value> values = copies(call, 0), feeds, next(values.size());
    while (true) {
      FERRY_RETURN_IF_ERROR(call.run().check());
      Value more;
      feeds = values;
      FERRY_RETURN_IF_ERROR(run_nested(condition_->schedule, call, feeds, std::span(&more, 1)));
      FERRY_ASSIGN_OR_RETURN(const bool again, is_true(more));
      if (!again) break;
      // Moved, so that the body may be the only owner of what goes round.
      FERRY_RETURN_IF_ERROR(run_nested(body_->schedule, call, values, next));
      values.swap(next);
      for (Value& value : next) value.clear();
    }
    for (size_t i = 0; i < values.size(); ++i) call.set(i, std::move(values[i]));
    return {};
  }

 private:
  const FunctionSchedule *condition_, *body_;
};

class FrameKernel final : public Kernel {
 public:
  FrameKernel(std::unique_ptr<Schedule> body, size_t variables, size_t constants, size_t exits)
      : body_(std::move(body)), variables_(variables), constants_(constants), exits_(exits) {}
  Status run(Call& call) const override {
    std::vector<Value> now(call.num_inputs()), fetched(variables_ + exits_), results(exits_, Value::dead());
    for (size_t i = 0; i < variables_; ++i) now[i] = call.value(i);
    while (true) {
      FERRY_RETURN_IF_ERROR(call.run().check());
      for (size_t i = variables_; i < variables_ + constants_; ++i) now[i] = call.value(i);
      FERRY_RETURN_IF_ERROR(run_nested(*body_, call, now, fetched));
      for (size_t i = 0; i < exits_; ++i) {
        if (!fetched[variables_ + i].is_dead()) results[i] = std::move(fetched[variables_ + i]);
      }
      bool again = false;
      for (size_t i = 0; i < variables_; ++i) {
        again = again || !fetched[i].is_dead();
        now[i] = std::move(fetched[i]);
      }
      if (!again) break;
    }
    for (size_t i = 0; i < exits_; ++i) call.set(i, std::move(results[i]));
    return {};
  }

 private:
  std::unique_ptr<Schedule> body_;
  size_t variables_, constants_, exits_;
};

Result<const FunctionSchedule*> schedule_of(const NodeInfo& node, std::string_view attr, Program& program, Problems& problems) {
  const AttrValue* const value = node.own(attr);
  if (value == nullptr) return invalid_argument(concat("the attribute ", attr, " is missing"));
  FERRY_ASSIGN_OR_RETURN(const FunctionCall function, value->func());
  const FunctionSchedule* const schedule = program.function(function, problems);
  if (schedule == nullptr) return invalid_argument(concat("the function ", quoted(function.name), " is not in the library"));
  return schedule;
}

}  // namespace

Result<KernelRef> make_control_kernel(const NodeInfo& node, Program& program, Problems& problems) {
  const std::string_view op = node.op();
  if (op == "If" || op == "StatelessIf") {
    FERRY_ASSIGN_OR_RETURN(const auto* then, schedule_of(node, "then_branch", program, problems));
    FERRY_ASSIGN_OR_RETURN(const auto* otherwise, schedule_of(node, "else_branch", program, problems));
    return KernelRef(std::make_unique<IfKernel>(then, otherwise));
  }
  if (op == "While" || op == "StatelessWhile") {
    FERRY_ASSIGN_OR_RETURN(const auto* condition, schedule_of(node, "cond", program, problems));
    FERRY_ASSIGN_OR_RETURN(const auto* body, schedule_of(node, "body", program, problems));
    return KernelRef(std::make_unique<WhileKernel>(condition, body));
  }
  if (op == "Case" || op == "StatelessCase") {
    const AttrValue* const value = node.own("branches");
    if (value == nullptr) return invalid_argument("the attribute branches is missing");
    FERRY_ASSIGN_OR_RETURN(const auto functions, value->funcs());
    std::vector<const FunctionSchedule*> branches;
    for (const FunctionCall& function : functions) {
      branches.push_back(program.function(function, problems));
      if (branches.back() == nullptr) return invalid_argument(concat("the function ", quoted(function.name), " is not in the library"));
    }
    if (branches.empty()) return invalid_argument("a Case without branches");
    return KernelRef(std::make_unique<CaseKernel>(std::move(branches)));
  }
  if (op == "PartitionedCall" || op == "StatefulPartitionedCall") {
    FERRY_ASSIGN_OR_RETURN(const auto* function, schedule_of(node, "f", program, problems));
    return make_call_kernel(function);
  }
  return KernelRef();
}

KernelRef make_call_kernel(const FunctionSchedule* function) { return std::make_unique<CallKernel>(function); }

KernelRef make_frame_kernel(std::unique_ptr<Schedule> body, size_t variables, size_t constants, size_t exits) {
  return std::make_unique<FrameKernel>(std::move(body), variables, constants, exits);
}

}  // namespace ferry::engine
