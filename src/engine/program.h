// From a graph, feeds and fetches to a Schedule: prunes, inlines calls of functions, folds constants, turns the loops of TensorFlow 1
// into kernels, and lists whatever stands in the way of running, all of it at once.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/schedule.h"
#include "ferry/graph.h"

namespace ferry::engine {

// What stands in the way of running a graph. Gathered, so that a user sees all of it.
struct Problems {
  std::map<std::string, std::vector<std::string>, std::less<>> unknown_ops;  // and the nodes that need them
  std::vector<std::string> others;
  bool empty() const { return unknown_ops.empty() && others.empty(); }
  // unsupported where only ops are missing, else invalid_argument; the message lists everything.
  Status status() const;
};

// A function's body as a schedule; built when the first kernel asks for it, filled in before any run.
struct FunctionSchedule {
  std::string name;
  Schedule schedule;
  bool ready = false;
};

// The schedules of one graph: those of its functions are shared by all that call them. Building is for one thread at a time, running
// for any number.
class Program {
 public:
  // `graph` outlives this, and so does `state`.
  Program(const Graph& graph, ops::ModelState* state, const Limits& limits) : graph_(graph), state_(state), limits_(limits) {}

  // `feeds` and `fetches` are tensors ("x", "x:0"), `targets` nodes that are run for what they do.
  Result<std::unique_ptr<Schedule>> build(std::span<const std::string> feeds, std::span<const std::string> fetches,
                                          std::span<const std::string> targets);

  const Graph& graph() const { return graph_; }
  ops::ModelState* state() const { return state_; }
  const Limits& limits() const { return limits_; }
  // Of a function called with these attributes; problems go to `problems`. Null where there is no such function.
  const FunctionSchedule* function(const FunctionCall& call, Problems& problems);
  const Function* body(std::string_view name, Problems& problems);

 private:
  const Graph& graph_;
  ops::ModelState* state_;
  Limits limits_;
  std::map<std::string, std::unique_ptr<FunctionSchedule>, std::less<>> schedules_;
  std::map<std::string, std::unique_ptr<Function>, std::less<>> bodies_;
};

}  // namespace ferry::engine
