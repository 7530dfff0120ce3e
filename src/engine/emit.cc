#include "engine/builder.h"

#include <algorithm>
#include <unordered_map>

namespace ferry::engine {

using ops::NodeInfo;
using ops::Value;

void Builder::target(const Scope& scope, size_t node) {
  const Scope::Lowered& lowered = scope.lowered[node];
  if (lowered.item >= 0) targets_.push_back(lowered.item);
  targets_.insert(targets_.end(), lowered.after.begin(), lowered.after.end());
}

// Items that are needed become steps.
Status Builder::emit() {
  std::vector<int32_t> todo;
  const auto need = [&](int32_t item) {
    if (item < 0 || items_[static_cast<size_t>(item)].live) return;
    items_[static_cast<size_t>(item)].live = true;
    todo.push_back(item);
  };
  for (ItemOutput port : fetches_) need(port.item);
  for (int32_t item : targets_) need(item);
  while (!todo.empty()) {
    const Item& item = items_[static_cast<size_t>(todo.back())];
    todo.pop_back();
    if (!item.folded.empty()) continue;
    for (ItemOutput port : item.inputs) need(port.item);
    for (int32_t control : item.controls) need(control);
  }

  schedule_.num_feeds_ = feeds_.size();
  uint32_t slots = 0;
  for (int32_t feed : feeds_) items_[static_cast<size_t>(feed)].slot = slots++;
  for (const Item& item : items_) {
    if (!item.live || item.folded.size() > 0 || !item.may_be_dead) continue;
    for (int32_t control : item.controls) {
      if (items_[static_cast<size_t>(control)].may_be_dead) items_[static_cast<size_t>(control)].is_guard = true;
    }
  }
  std::unordered_map<uint64_t, uint32_t> constants;
  const auto source_of = [&](ItemOutput port) {
    const Item& item = items_[static_cast<size_t>(port.item)];
    if (item.folded.empty()) return Source::slot(item.slot + static_cast<uint32_t>(port.output));
    const uint64_t key = static_cast<uint64_t>(port.item) << 32 | static_cast<uint32_t>(port.output);
    const auto [it, fresh] = constants.emplace(key, static_cast<uint32_t>(schedule_.constants_.size()));
    if (fresh) schedule_.constants_.push_back(constant(port));
    return Source::constant(it->second);
  };
  for (Item& item : items_) {
    if (!item.live || item.is_feed || !item.folded.empty()) continue;
    Step step;
    step.kernel = item.kernel.get();
    step.node = item.info.get();
    step.may_be_dead = item.may_be_dead;
    step.is_merge = item.is_merge;
    step.inputs = static_cast<uint32_t>(schedule_.sources_.size());
    step.num_inputs = static_cast<uint32_t>(item.inputs.size());
    for (size_t i = 0; i < item.inputs.size(); ++i) {
      schedule_.sources_.push_back(source_of(item.inputs[i]));
      if (is_ref(item.inputs[i]) && i < item.info->input_dtypes().size() && !item.info->input_is_ref(i)) step.reads_references = true;
    }
    step.guards = static_cast<uint32_t>(schedule_.guards_.size());
    if (item.may_be_dead) {
      for (int32_t control : item.controls) {
        const Item& before = items_[static_cast<size_t>(control)];
        if (before.may_be_dead && before.folded.empty()) schedule_.guards_.push_back(before.slot);
      }
    }
    step.num_guards = static_cast<uint32_t>(schedule_.guards_.size()) - step.guards;
    item.slot = slots;
    step.outputs = slots;
    // A guard without outputs has a place that says whether it lived.
    step.num_outputs = static_cast<uint32_t>(std::max<size_t>(item.num_outputs, item.is_guard ? 1 : 0));
    slots += step.num_outputs;
    schedule_.steps_.push_back(step);
  }
  for (Item& item : items_) {
    if (!item.live || item.is_feed || !item.folded.empty()) continue;
    schedule_.nodes_.push_back(std::move(item.info));
    schedule_.kernels_.push_back(std::move(item.kernel));
  }
  schedule_.num_slots_ = slots;
  for (ItemOutput port : fetches_) schedule_.fetches_.push_back(source_of(port));

  // Who reads a slot last frees it. Feeds, fetches and guards stay to the end of the run.
  constexpr uint32_t kNever = UINT32_MAX;
  std::vector<uint32_t> last(slots, kNever);
  for (uint32_t i = 0; i < schedule_.steps_.size(); ++i) {
    const Step& step = schedule_.steps_[i];
    for (uint32_t k = 0; k < step.num_outputs; ++k) last[step.outputs + k] = i;
    for (uint32_t k = 0; k < step.num_inputs; ++k) {
      const Source source = schedule_.sources_[step.inputs + k];
      if (!source.is_constant()) last[source.index()] = i;
    }
  }
  for (const Source source : schedule_.fetches_) {
    if (!source.is_constant()) last[source.index()] = kNever;
  }
  for (uint32_t guard : schedule_.guards_) last[guard] = kNever;
  std::vector<std::vector<uint32_t>> freed(schedule_.steps_.size());
  for (uint32_t slot = 0; slot < slots; ++slot) {
    if (last[slot] != kNever) freed[last[slot]].push_back(slot);
  }
  for (size_t i = 0; i < freed.size(); ++i) {
    schedule_.steps_[i].frees = static_cast<uint32_t>(schedule_.frees_.size());
    schedule_.steps_[i].num_frees = static_cast<uint32_t>(freed[i].size());
    schedule_.frees_.insert(schedule_.frees_.end(), freed[i].begin(), freed[i].end());
  }
  return {};
}

}  // namespace ferry::engine
