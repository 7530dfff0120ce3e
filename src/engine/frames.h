// The loops of TensorFlow 1 in a graph: which nodes lie between the Enters and the Exits of which frame.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/graph.h"

namespace ferry::engine {

class Frames {
 public:
  static bool has_loops(const Nodes& nodes);
  // For the part of the graph that the wanted nodes need.
  static Result<Frames> find(const Nodes& nodes, std::span<const size_t> wanted);

  // Frame 0 is the graph outside of all loops. An Enter, a Merge of a loop variable and an Exit are in the frame.
  int32_t frame_of(size_t node) const { return frame_[node]; }
  bool is_enter(size_t node) const { return kinds_[node] == Kind::enter; }
  bool is_exit(size_t node) const { return kinds_[node] == Kind::exit && frame_[node] > 0; }
  bool is_loop_merge(size_t node) const { return kinds_[node] == Kind::merge && next_[node] != kNone; }
  int32_t inner_of(size_t exit) const { return frame_[exit]; }
  std::string_view name(int32_t frame) const { return frames_[static_cast<size_t>(frame)].name; }
  std::span<const size_t> exits_of(int32_t frame) const { return frames_[static_cast<size_t>(frame)].exits; }
  // What the Enters of a frame read and wait for.
  std::span<const size_t> outer_inputs(int32_t frame) const { return frames_[static_cast<size_t>(frame)].outer; }
  // Of a loop variable's Merge: the NextIteration that gives its next value, the Enter that gives the first.
  std::optional<size_t> next_of(size_t merge) const { return next_[merge] == kNone ? std::nullopt : std::optional(next_[merge]); }
  std::optional<size_t> enter_of(size_t merge) const { return enter_[merge] == kNone ? std::nullopt : std::optional(enter_[merge]); }

 private:
  enum class Kind : uint8_t { other, enter, exit, merge, next };
  static constexpr size_t kNone = SIZE_MAX;
  struct Frame {
    std::string name;
    int32_t parent = 0;
    std::vector<size_t> exits, outer;
  };
  static Kind kind_of(std::string_view op);
  std::vector<Kind> kinds_;
  std::vector<int32_t> frame_;  // -1: not needed
  std::vector<size_t> next_, enter_;
  std::vector<Frame> frames_{Frame{}};
};

}  // namespace ferry::engine
