// Restore: what a plan is made from, and the tensors as the plan says they become.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ferry/checkpoint.h"
#include "ferry/format.h"
#include "ferry/plan.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/thread_pool.h"

namespace ferry {

// One for each tensor of the listing that the variables describe, in its order.
std::vector<Have> have_of(std::span<const Variable> variables, std::span<const TensorInfo> tensors);

// What a checkpoint of the target's own holds, as what it wants. The object graph is no variable and left out.
struct WantedTensors {
  std::vector<Wanted> wanted;
  std::vector<size_t> tensors;  // position in the listing, of each
};
WantedTensors wanted_of(std::span<const Variable> variables, std::span<const TensorInfo> tensors);

// A list of names, dtypes and shapes: JSON (objects with `name`, `dtype`, `shape`, and where they have it `path`, `key`, `role`,
// `optional`, `slot_of`, `slot_name`; also what `ferry inspect --json` and `ferry plan --json` print, and a safetensors header) or CSV.
// Nothing where the text is no such list. docs/checkpoints.md
Result<std::optional<std::vector<Wanted>>> read_wanted(std::string_view text, const Limits& limits = {});

// The tensor with its fix. Where that adds rows, `base` is the variable as it is, which they are taken from.
Result<Tensor> fitted(const Tensor& x, const Fix& fix, const Tensor* base = nullptr, ThreadPool* pool = nullptr);

// The tensors of a plan's target once it is carried out, under the target's keys and in its order, each made when it is read. `target`
// lists what the target holds now and lends what is not restored, the object graph included; null: restored rows alone.
// All that is passed in is kept by reference and outlives the reader.
struct RestoredFrom {
  const Plan& plan;
  std::span<const Have> have;
  std::span<const Wanted> wanted;
  const TensorReader& checkpoint;
  const TensorReader* target = nullptr;
  std::span<const size_t> target_tensors = {};  // of WantedTensors
  ThreadPool* pool = nullptr;
};
Result<std::unique_ptr<TensorReader>> restored_tensors(const RestoredFrom& from);

}  // namespace ferry
