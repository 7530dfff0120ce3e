// Schedule: what is left of a graph once feeds and fetches are known. Steps in an order that honours every edge, each with a kernel and
// with places for its outputs; what can be known before a run has been worked out. Loops, branches and calls that stay are kernels
// over schedules of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "ops/kernel.h"

namespace ferry::engine {

struct Step {
  const ops::Kernel* kernel = nullptr;
  const ops::NodeInfo* node = nullptr;
  uint32_t inputs = 0, num_inputs = 0;    // in Schedule::sources
  uint32_t outputs = 0, num_outputs = 0;  // slots
  uint32_t guards = 0, num_guards = 0;    // slots whose death is ours too (control edges in branches)
  uint32_t frees = 0, num_frees = 0;      // slots that nobody reads after this
  bool may_be_dead = false;               // lies in a branch of Switch
  bool is_merge = false;                  // lives as long as one of its inputs does
  bool reads_references = false;          // some input is a reference where the op wants its elements
};

// Where a value comes from: a slot of the run, or one of the schedule's constants.
class Source {
 public:
  static Source slot(uint32_t i) { return Source(i); }
  static Source constant(uint32_t i) { return Source(i | kConstant); }
  bool is_constant() const { return (bits_ & kConstant) != 0; }
  uint32_t index() const { return bits_ & ~kConstant; }

 private:
  static constexpr uint32_t kConstant = 1u << 31;
  explicit Source(uint32_t bits) : bits_(bits) {}
  uint32_t bits_;
};

class Schedule;

// The values of one run of a schedule, and the blocks that its outputs were made in, which serve the next run again.
class Frame {
 public:
  explicit Frame(const Schedule& schedule);

 private:
  friend class Schedule;
  std::vector<ops::Value> slots_;
  std::vector<ops::Home> homes_;
  std::vector<const ops::Value*> inputs_;  // Schedule::sources_, resolved
};

// Thread-safe: any number of runs at once. The builder fills it in; nothing changes after that.
class Schedule {
 public:
  Schedule() = default;
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  size_t num_feeds() const { return num_feeds_; }
  size_t num_fetches() const { return fetches_.size(); }
  std::span<const Step> steps() const { return steps_; }
  // `feeds` are moved from. A fetch is dead where its branch was not taken.
  Status run(ops::Run& run, std::span<ops::Value> feeds, std::span<ops::Value> fetches) const;

 private:
  friend class Builder;
  friend class Frame;
  Status run_steps(ops::Run& run, Frame& frame) const;
  Status run_step(const Step& step, ops::Run& run, Frame& frame) const;
  std::unique_ptr<Frame> take_frame() const;
  void give_frame(std::unique_ptr<Frame> frame) const;

  std::vector<Step> steps_;
  std::vector<Source> sources_;
  std::vector<uint32_t> guards_, frees_;
  std::vector<ops::Value> constants_;
  std::vector<Source> fetches_;
  size_t num_feeds_ = 0, num_slots_ = 0;  // feeds are the first slots
  // What steps point to.
  std::vector<std::unique_ptr<ops::NodeInfo>> nodes_;
  std::vector<ops::KernelRef> kernels_;

  static constexpr size_t kKeptFrames = 64;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Frame>> frames_;
};

}  // namespace ferry::engine
