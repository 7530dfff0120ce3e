#include "engine/builder.h"

#include <algorithm>

#include "engine/control.h"

namespace ferry::engine {

using ops::NodeInfo;
using ops::Value;

// A frame of while_loop: the part of the graph between its Enters and its Exits, as a schedule of its own.
Status Builder::lower_frame(Scope& scope, int32_t frame) {
  const Frames& frames = *scope.frames;
  auto schedule = std::make_unique<Schedule>();
  Builder body(program_, *schedule, problems_);
  Scope inner;
  inner.nodes = scope.nodes;
  inner.function = scope.function;
  inner.attrs = scope.attrs;
  inner.prefix = scope.prefix;
  inner.depth = scope.depth;
  inner.frames = scope.frames;
  inner.frame = frame;
  inner.args = scope.args;
  // Every node that reads the exits reads the same run of the loop.
  const std::span<const size_t> exits = frames.exits_of(frame);
  std::vector<size_t> wanted;
  const auto source_of = [&](size_t node) -> Result<std::string_view> {
    for (std::string_view input : (*scope.nodes)[node].inputs) {
      if (!input.starts_with('^')) return input;
    }
    return invalid_argument(concat("node ", quoted((*scope.nodes)[node].name), " has no input"));
  };
  const auto want_source = [&](size_t node) -> Status {
    FERRY_ASSIGN_OR_RETURN(const std::string_view text, source_of(node));
    FERRY_ASSIGN_OR_RETURN(const InputRef ref, parse_input(text));
    const auto found = scope.nodes->find(ref.node);
    if (!found)
      return invalid_argument(concat("node ", quoted((*scope.nodes)[node].name), " reads ", quoted(text), ", which is not there"));
    if (frames.is_loop_merge(*found) && frames.frame_of(*found) == frame && !inner.merge_ports.contains(*found)) {
      inner.merge_ports[*found] = body.add_feed();
      inner.merges.push_back(*found);
    } else if (!inner.merge_ports.contains(*found)) {
      wanted.push_back(*found);
    }
    return {};
  };
  for (size_t exit : exits) FERRY_RETURN_IF_ERROR(want_source(exit));
  FERRY_RETURN_IF_ERROR(body.lower(inner, wanted));
  // The next value of each variable may need more variables.
  for (size_t i = 0; i < inner.merges.size(); ++i) {
    wanted.clear();
    const auto next = frames.next_of(inner.merges[i]);
    if (!next) continue;
    FERRY_RETURN_IF_ERROR(want_source(*next));
    FERRY_RETURN_IF_ERROR(body.lower(inner, wanted));
  }
  const auto fetch_source = [&](size_t node) -> Status {
    FERRY_ASSIGN_OR_RETURN(const std::string_view text, source_of(node));
    auto port = body.port_of(inner, text, node);
    if (!port.ok()) {
      if (problems_.empty()) problem(scope, (*scope.nodes)[node], port.status());
      return {};
    }
    body.fetch(*port);
    return {};
  };
  for (size_t merge : inner.merges) {
    const auto next = frames.next_of(merge);
    if (!next) return invalid_argument(concat("the loop variable ", quoted((*scope.nodes)[merge].name), " has no NextIteration"));
    FERRY_RETURN_IF_ERROR(fetch_source(*next));
  }
  for (size_t exit : exits) FERRY_RETURN_IF_ERROR(fetch_source(exit));
  // Feeds were made as they turned up; the kernel gives variables first.
  body.feeds_.clear();
  for (size_t merge : inner.merges) body.feeds_.push_back(inner.merge_ports[merge].item);
  for (size_t enter : inner.constants) body.feeds_.push_back(inner.constant_ports[enter].item);
  if (!problems_.empty()) return {};
  FERRY_RETURN_IF_ERROR(body.emit());

  Item item;
  item.num_outputs = exits.size();
  const auto give = [&](size_t enter) -> Status {
    FERRY_ASSIGN_OR_RETURN(const std::string_view text, source_of(enter));
    FERRY_ASSIGN_OR_RETURN(const ItemOutput port, port_of(scope, text, enter));
    item.inputs.push_back(port);
    for (int32_t control : controls_of(scope, enter)) item.controls.push_back(control);
    return {};
  };
  for (size_t merge : inner.merges) {
    const auto enter = frames.enter_of(merge);
    if (!enter) return invalid_argument(concat("the loop variable ", quoted((*scope.nodes)[merge].name), " has no Enter"));
    FERRY_RETURN_IF_ERROR(give(*enter));
  }
  for (size_t enter : inner.constants) FERRY_RETURN_IF_ERROR(give(enter));
  ops::OpSpec spec{.name = "while_loop", .inputs = {}, .outputs = {}, .attrs = {}, .stateful = false};
  FERRY_ASSIGN_OR_RETURN(NodeInfo info, NodeInfo::make(concat(scope.prefix, frames.name(frame)), std::move(spec), {}, nullptr));
  item.info = std::make_unique<NodeInfo>(std::move(info));
  const auto dies = [&](ItemOutput port) { return items_[static_cast<size_t>(port.item)].may_be_dead; };
  item.may_be_dead = std::ranges::any_of(item.inputs, dies) ||
                     std::ranges::any_of(item.controls, [&](int32_t i) { return items_[static_cast<size_t>(i)].may_be_dead; });
  item.kernel = make_frame_kernel(std::move(schedule), inner.merges.size(), inner.constants.size(), exits.size());
  const auto number = static_cast<int32_t>(items_.size());
  items_.push_back(std::move(item));
  for (size_t i = 0; i < exits.size(); ++i) {
    Scope::Lowered& lowered = scope.lowered[exits[i]];
    lowered.done = true;
    lowered.item = number;
    lowered.outputs = {{number, static_cast<int32_t>(i)}};
  }
  return {};
}

}  // namespace ferry::engine
