// How an op is written: a line in ops.def, an Op that says which kernel fits a node, a kernel that runs.
//
//   Result<KernelRef> make_relu(const NodeInfo& node) {…}               // once, at load: attributes, dtypes
//   extern const Op Relu_op{.make = make_relu};
//
// A kernel keeps what it read off the node and nothing of any one run: one kernel runs in many threads at once.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/thread_pool.h"
#include "ops/node.h"
#include "ops/value.h"

namespace ferry::ops {

// One run of one schedule: what its kernels may use and when they must stop. One thread at a time.
struct Run {
  Limits limits;
  ThreadPool* pool = nullptr;  // for work inside one op; null: none
  std::optional<std::chrono::steady_clock::time_point> deadline;
  const std::atomic<bool>* cancelled = nullptr;
  uint64_t steps = 0, max_steps = UINT64_MAX;  // ops and loop iterations
  int depth = 0;                               // of function calls

  // Between ops and in loops.
  Status check();
};

// A block that belongs to a place in a schedule and serves one run after another. Its bytes are free while nobody else owns it.
struct Home {
  DenseTensor last;  // what was made of the block last, most often what is made of it next
  std::byte* data = nullptr;
  size_t capacity = 0;  // 0: no block yet
};

// One execution of one op. Good for that call only.
class Call {
 public:
  Call(Run& run, const NodeInfo& node, std::span<const Value* const> inputs, std::span<Value> outputs, std::span<Home> homes)
      : run_(run), node_(node), inputs_(inputs), outputs_(outputs), homes_(homes) {}

  Run& run() { return run_; }
  const NodeInfo& node() const { return node_; }

  // ---- Inputs, references resolved
  size_t num_inputs() const { return inputs_.size(); }
  const Value& value(size_t i) const { return *inputs_[i]; }
  const DenseTensor& in(size_t i) const { return inputs_[i]->tensor(); }
  const Shape& shape(size_t i) const { return inputs_[i]->shape(); }
  template <class T>
  std::span<const T> values(size_t i) const {
    return in(i).values<T>();
  }
  // The object of kind T that input i is a handle of; an error where it is none.
  template <class T>
  Result<std::shared_ptr<T>> object(size_t i) const;
  // Integers of an int32 or int64 input: shapes, axes, permutations.
  Result<int64_t> integer(size_t i) const;  // a scalar, or one element
  Result<std::vector<int64_t>> integers(size_t i) const;
  Result<Shape> shape_value(size_t i) const;  // what a shape input says; -1 refused

  // ---- Outputs: each is made or set once
  size_t num_outputs() const { return outputs_.size(); }
  // Memory for the elements of output i, not initialised.
  Result<std::byte*> make(size_t i, DType dtype, const Shape& shape);
  template <class T>
  Result<std::span<T>> make(size_t i, DType dtype, const Shape& shape) {
    auto data = make(i, dtype, shape);
    if (!data.ok()) return data.status();
    return std::span<T>(reinterpret_cast<T*>(*data), static_cast<size_t>(outputs_[i].tensor().num_elements()));
  }
  void set(size_t i, Value value) { outputs_[i] = std::move(value); }
  // Input `from` as it is: no bytes move.
  void pass(size_t i, size_t from) { outputs_[i] = *inputs_[from]; }
  Status pass(size_t i, size_t from, Shape shape);  // under another shape of as many elements

 private:
  Run& run_;
  const NodeInfo& node_;
  std::span<const Value* const> inputs_;
  std::span<Value> outputs_;
  std::span<Home> homes_;
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual Status run(Call& call) const = 0;
};
using KernelRef = std::unique_ptr<const Kernel>;

struct Op {
  std::string_view name;
  Result<KernelRef> (*make)(const NodeInfo& node);
  // Same inputs, same outputs, and nothing else happens: constants go through it at load.
  bool pure = true;
};

// Null where we have none.
const Op* find_op(std::string_view name);
std::span<const Op* const> all_ops();

// Gives one tensor.
KernelRef make_constant_kernel(DenseTensor value);

// A kernel that is a function of nothing but the call.
template <auto kRun>
class FreeKernel final : public Kernel {
  Status run(Call& call) const override { return kRun(call); }
};
template <auto kRun>
Result<KernelRef> make_free(const NodeInfo&) {
  return KernelRef(std::make_unique<FreeKernel<kRun>>());
}

template <class T>
Result<std::shared_ptr<T>> Call::object(size_t i) const {
  const Value& held = value(i);
  if (auto out = held.is_tensor() ? nullptr : std::dynamic_pointer_cast<T>(held.object_ref())) return out;
  return invalid_argument(concat("input ", i, " is no handle of a ", T::kKind));
}

}  // namespace ferry::ops
