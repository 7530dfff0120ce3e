// Session: a graph with its state, ready to run any of its tensors. What a loaded model runs its signatures through.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/program.h"
#include "ferry/graph.h"
#include "ops/state.h"

namespace ferry::engine {

struct RunOptions {
  ThreadPool* pool = nullptr;
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
  const std::atomic<bool>* cancelled = nullptr;
  uint64_t max_steps = UINT64_MAX;
};

// Thread-safe. Plans are kept: preparing the same tensors again costs a look.
class Session {
 public:
  // `graph` outlives this.
  Session(const Graph& graph, Limits limits = {}) : limits_(limits), program_(graph, &state_, limits) {}

  // `feeds` and `fetches` are tensors ("x", "x:0"), `targets` nodes that are run for what they do. Lives as long as the session.
  Result<const Plan*> prepare(std::span<const std::string> feeds, std::span<const std::string> fetches,
                              std::span<const std::string> targets = {});
  // Feeds are in the order of prepare().
  Result<std::vector<ops::Value>> run(const Plan& plan, std::vector<ops::Value> feeds, const RunOptions& options = {}) const;

  ops::ModelState& state() { return state_; }

 private:
  Limits limits_;
  ops::ModelState state_;
  std::mutex mutex_;
  Program program_;
  std::map<std::vector<std::string>, std::unique_ptr<Plan>> plans_;
};

}  // namespace ferry::engine
