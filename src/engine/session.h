// Session: a graph with its state, ready to run any of its tensors. What a loaded model runs its signatures through.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/program.h"
#include "engine/schedule.h"
#include "ferry/graph.h"
#include "ferry/model.h"
#include "ops/state.h"

namespace ferry::engine {

// Thread-safe. Plans are kept: preparing the same tensors again costs a look.
class Session {
 public:
  // `graph` outlives this.
  Session(const Graph& graph, Limits limits = {}) : limits_(limits), program_(graph, &state_, limits) {}

  // `feeds` and `fetches` are tensors ("x", "x:0"), `targets` nodes that are run for what they do. Lives as long as the session.
  Result<const Schedule*> prepare(std::span<const std::string> feeds, std::span<const std::string> fetches,
                                  std::span<const std::string> targets = {});
  // Feeds are in the order of prepare().
  Result<std::vector<ops::Value>> run(const Schedule& schedule, std::vector<ops::Value> feeds, const RunOptions& options = {}) const;

  ops::ModelState& state() { return state_; }

 private:
  Limits limits_;
  ops::ModelState state_;
  std::mutex mutex_;
  Program program_;
  std::map<std::vector<std::string>, std::unique_ptr<Schedule>> schedules_;
};

}  // namespace ferry::engine
