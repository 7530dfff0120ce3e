#include "engine/schedule.h"

#include <algorithm>

#include "ops/variable.h"

namespace ferry::engine {

using ops::Value;

Frame::Frame(const Schedule& schedule) : slots_(schedule.num_slots_), homes_(schedule.num_slots_) {
  inputs_.reserve(schedule.sources_.size());
  for (const Source source : schedule.sources_) {
    inputs_.push_back(source.is_constant() ? &schedule.constants_[source.index()] : &slots_[source.index()]);
  }
}

std::unique_ptr<Frame> Schedule::take_frame() const {
  {
    const std::scoped_lock lock(mutex_);
    if (!frames_.empty()) {
      auto out = std::move(frames_.back());
      frames_.pop_back();
      return out;
    }
  }
  return std::make_unique<Frame>(*this);
}

void Schedule::give_frame(std::unique_ptr<Frame> frame) const {
  const std::scoped_lock lock(mutex_);
  if (frames_.size() < kKeptFrames) frames_.push_back(std::move(frame));
}

Status Schedule::run(ops::Run& run, std::span<Value> feeds, std::span<Value> fetches) const {
  FERRY_ASSERT(feeds.size() == num_feeds_ && fetches.size() == fetches_.size());
  auto frame = take_frame();
  std::ranges::move(feeds, frame->slots_.begin());
  const Status status = run_steps(run, *frame);
  if (status.ok()) {
    for (size_t i = 0; i < fetches.size(); ++i) {
      const Source source = fetches_[i];
      fetches[i] = source.is_constant() ? constants_[source.index()] : frame->slots_[source.index()];
    }
  }
  for (Value& slot : frame->slots_) slot.clear();
  give_frame(std::move(frame));
  return status;
}

Status Schedule::run_steps(ops::Run& run, Frame& frame) const {
  for (const Step& step : steps_) {
    FERRY_RETURN_IF_ERROR(run.check());
    const Status status = run_step(step, run, frame);
    if (!status.ok()) return status.with_context(concat("node ", quoted(step.node->name()), " (", step.node->op(), ")"));
    for (uint32_t i = 0; i < step.num_frees; ++i) frame.slots_[frees_[step.frees + i]].clear();
  }
  return {};
}

Status Schedule::run_step(const Step& step, ops::Run& run, Frame& frame) const {
  std::span<const Value* const> inputs(frame.inputs_.data() + step.inputs, step.num_inputs);
  const std::span<Value> outputs(frame.slots_.data() + step.outputs, step.num_outputs);
  const std::span<ops::Home> homes(frame.homes_.data() + step.outputs, step.num_outputs);
  if (step.may_be_dead) {
    const auto dead = [](const Value* value) { return value->is_dead(); };
    bool gone = step.is_merge ? std::ranges::all_of(inputs, dead) : std::ranges::any_of(inputs, dead);
    for (uint32_t i = 0; i < step.num_guards && !gone; ++i) gone = frame.slots_[guards_[step.guards + i]].is_dead();
    if (gone) {
      std::ranges::fill(outputs, Value::dead());
      return {};
    }
  }
  if (step.reads_references) [[unlikely]] {
    // The elements as they are now, for the time of the call.
    std::vector<Value> elements(inputs.size());
    std::vector<const Value*> resolved(inputs.begin(), inputs.end());
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i]->is_reference() || step.node->input_is_ref(i)) continue;
      FERRY_ASSIGN_OR_RETURN(elements[i], ops::read_reference(*inputs[i]));
      resolved[i] = &elements[i];
    }
    ops::Call call(run, *step.node, resolved, outputs, homes);
    return step.kernel->run(call);
  }
  ops::Call call(run, *step.node, inputs, outputs, homes);
  return step.kernel->run(call);
}

}  // namespace ferry::engine
