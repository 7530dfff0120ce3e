#include "engine/frames.h"

#include <algorithm>
#include <map>

namespace ferry::engine {

Frames::Kind Frames::kind_of(std::string_view op) {
  if (op == "Enter" || op == "RefEnter") return Kind::enter;
  if (op == "Exit" || op == "RefExit") return Kind::exit;
  if (op == "Merge" || op == "RefMerge") return Kind::merge;
  if (op == "NextIteration" || op == "RefNextIteration") return Kind::next;
  return Kind::other;
}

bool Frames::has_loops(const Nodes& nodes) {
  return std::ranges::any_of(nodes, [](const Node& node) { return kind_of(node.op) == Kind::enter; });
}

Result<Frames> Frames::find(const Nodes& nodes, std::span<const size_t> wanted) {
  Frames out;
  const size_t count = nodes.size();
  out.kinds_.resize(count);
  out.frame_.assign(count, -1);
  out.next_.assign(count, kNone);
  out.enter_.assign(count, kNone);

  // What the wanted nodes need, with the edges that go the other way.
  std::vector<std::vector<size_t>> inputs(count), readers(count);
  std::vector<bool> needed(count);
  std::vector<size_t> todo;
  for (size_t node : wanted) {
    if (!needed[node]) todo.push_back(node);
    needed[node] = true;
  }
  while (!todo.empty()) {
    const size_t at = todo.back();
    todo.pop_back();
    out.kinds_[at] = kind_of(nodes[at].op);
    for (std::string_view text : nodes[at].inputs) {
      FERRY_ASSIGN_OR_RETURN(const InputRef ref, parse_input(text));
      const auto found = nodes.find(ref.node);
      if (!found) continue;  // said where the node is lowered
      inputs[at].push_back(*found);
      readers[*found].push_back(at);
      if (needed[*found]) continue;
      needed[*found] = true;
      todo.push_back(*found);
    }
  }
  for (size_t node = 0; node < count; ++node) {
    if (out.kinds_[node] != Kind::merge) continue;
    for (size_t input : inputs[node]) {
      if (out.kinds_[input] == Kind::next) out.next_[node] = input;
      if (out.kinds_[input] == Kind::enter) out.enter_[node] = input;
    }
  }

  // Each node is in the frame that its inputs put it in: forwards, from the nodes that read nothing.
  std::map<std::pair<int32_t, std::string>, int32_t> numbers;
  std::vector<size_t> waits(count);
  for (size_t node = 0; node < count; ++node) {
    if (!needed[node]) continue;
    // A loop variable's Merge does not wait for its next value.
    waits[node] = static_cast<size_t>(std::ranges::count_if(
        inputs[node], [&](size_t input) { return !(out.kinds_[node] == Kind::merge && out.kinds_[input] == Kind::next); }));
    if (waits[node] == 0) {
      out.frame_[node] = 0;
      todo.push_back(node);
    }
  }
  while (!todo.empty()) {
    const size_t at = todo.back();
    todo.pop_back();
    int32_t frame = 0;
    for (size_t input : inputs[at]) {
      if (out.frame_[input] < 0) continue;
      const int32_t given =
          out.kinds_[input] == Kind::exit ? out.frames_[static_cast<size_t>(out.frame_[input])].parent : out.frame_[input];
      // What stands outside of all loops says nothing where another input stands within one.
      frame = std::max(frame, given);
    }
    if (out.kinds_[at] == Kind::enter) {
      std::string name;
      if (const AttrValue* value = nodes[at].find("frame_name")) {
        FERRY_ASSIGN_OR_RETURN(const std::string_view text, value->text());
        name = text;
      }
      const auto [it, fresh] = numbers.emplace(std::pair(frame, name), static_cast<int32_t>(out.frames_.size()));
      if (fresh) {
        out.frames_.emplace_back();
        out.frames_.back().name = name;
        out.frames_.back().parent = frame;
      }
      Frame& entered = out.frames_[static_cast<size_t>(it->second)];
      entered.outer.insert(entered.outer.end(), inputs[at].begin(), inputs[at].end());
      frame = it->second;
    }
    out.frame_[at] = frame;
    if (out.kinds_[at] == Kind::exit) {
      if (frame == 0) return invalid_argument(concat("node ", quoted(nodes[at].name), " leaves a loop that nothing enters"));
      out.frames_[static_cast<size_t>(frame)].exits.push_back(at);
    }
    for (size_t reader : readers[at]) {
      if (out.kinds_[reader] == Kind::merge && out.kinds_[at] == Kind::next) continue;
      if (--waits[reader] == 0) todo.push_back(reader);
    }
  }
  for (size_t node = 0; node < count; ++node) {
    if (needed[node] && out.frame_[node] < 0) {
      return invalid_argument(concat("the graph goes round in a circle through node ", quoted(nodes[node].name)));
    }
  }
  return out;
}

}  // namespace ferry::engine
