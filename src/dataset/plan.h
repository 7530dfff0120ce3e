// What a Dataset is made of: immutable stages, each with the one before it, from which every iterator opens its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataset/decoder.h"
#include "dataset/row.h"
#include "ferry/dataset.h"

namespace ferry {

// Thread-safe.
class RowPlan {
 public:
  virtual ~RowPlan() = default;
  virtual std::string describe() const = 0;  // of this stage alone; two that say the same give the same rows
  virtual const RowPlan* upstream() const { return nullptr; }
  virtual Result<dataset::RowStagePtr> open(dataset::Context& context) const = 0;
  // Of the rows that come out. May look into the source.
  virtual Result<std::shared_ptr<const dataset::RowDecoder>> decoder() const { return upstream()->decoder(); }
  virtual std::optional<uint64_t> size() const = 0;
  // What changes when the source is written anew, besides what describe() says.
  virtual std::string stamp() const { return upstream() == nullptr ? std::string() : upstream()->stamp(); }
  // The same source, several files of it read in turn.
  virtual Result<std::shared_ptr<const RowPlan>> interleaved(uint64_t cycle, uint64_t block) const;
};

namespace dataset {

inline constexpr size_t kPassPosition = 0, kRowsPosition = 1, kLeftOutPosition = 2;

// A batch, and where the stages stand after it.
struct Element {
  TensorMap tensors;
  std::vector<uint64_t> position;
};

// Not thread-safe.
class BatchStage {
 public:
  virtual ~BatchStage() = default;
  virtual Status start(uint64_t pass) = 0;
  // Goes to where the element was given that has this position.
  virtual Status restore(std::span<const uint64_t> position) = 0;
  virtual Result<bool> next(Element& element) = 0;
};
using BatchStagePtr = std::unique_ptr<BatchStage>;

// What the batch stages of one iterator share besides.
struct BatchContext : Context {
  size_t positions = 0;  // numbers in a position that are taken; the first three are the Batcher's
  uint64_t ahead = 0;    // batches that the Batcher may make ahead; 0: in the calling thread
  std::function<void(std::string_view)> log;
};

}  // namespace dataset

class BatchPlan {
 public:
  virtual ~BatchPlan() = default;
  virtual std::string describe() const = 0;
  virtual const BatchPlan* upstream() const { return nullptr; }
  virtual const RowPlan* rows() const { return upstream() == nullptr ? nullptr : upstream()->rows(); }
  virtual Result<dataset::BatchStagePtr> open(dataset::BatchContext& context) const = 0;
  virtual Result<std::vector<ElementSpec>> spec() const { return upstream()->spec(); }
  virtual std::optional<uint64_t> size() const = 0;
};

namespace dataset {

class Table;
using RowPlanPtr = std::shared_ptr<const RowPlan>;
using BatchPlanPtr = std::shared_ptr<const BatchPlan>;

RowPlanPtr plan_tensors(std::shared_ptr<const Table> table);
RowPlanPtr plan_shuffle(RowPlanPtr up, uint64_t buffer, std::optional<uint64_t> seed, bool reshuffle);
RowPlanPtr plan_repeat(RowPlanPtr up, std::optional<uint64_t> count);
RowPlanPtr plan_shard(RowPlanPtr up, uint64_t index, uint64_t count);
RowPlanPtr plan_skip(RowPlanPtr up, uint64_t count);
RowPlanPtr plan_take(RowPlanPtr up, uint64_t count);
RowPlanPtr plan_map(RowPlanPtr up, Dataset::MapFunction function, std::string name);
RowPlanPtr plan_filter(RowPlanPtr up, Dataset::FilterFunction function, std::string name);
RowPlanPtr plan_cache(RowPlanPtr up, std::string path);

BatchPlanPtr plan_batch(RowPlanPtr rows, int64_t size, BatchOptions options);
BatchPlanPtr plan_buckets(RowPlanPtr rows, std::string feature, std::vector<int64_t> boundaries, std::vector<int64_t> sizes,
                          BatchOptions options);
BatchPlanPtr plan_single_rows(RowPlanPtr rows);  // batches of one row, without its axis
BatchPlanPtr plan_repeat(BatchPlanPtr up, std::optional<uint64_t> count);
BatchPlanPtr plan_shard(BatchPlanPtr up, uint64_t index, uint64_t count);
BatchPlanPtr plan_skip(BatchPlanPtr up, uint64_t count);
BatchPlanPtr plan_take(BatchPlanPtr up, uint64_t count);
BatchPlanPtr plan_map(BatchPlanPtr up, Dataset::MapFunction function, std::string name);
BatchPlanPtr plan_filter(BatchPlanPtr up, Dataset::FilterFunction function, std::string name);
BatchPlanPtr plan_prefetch(BatchPlanPtr up, uint64_t count);

// The pass over what a repeat repeats: of its own pass `pass`, the `turn`-th.
inline uint64_t inner_pass(uint64_t pass, std::optional<uint64_t> count, uint64_t turn) {
  return count ? pass * *count + turn : (pass << 32) + turn;
}
inline std::optional<uint64_t> repeated_size(std::optional<uint64_t> size, std::optional<uint64_t> count) {
  uint64_t out;
  if (!size || !count || __builtin_mul_overflow(*size, *count, &out)) return std::nullopt;
  return out;
}

// What the tensors of one element are, as a spec without unknown lengths but where `vary` says so.
std::vector<ElementSpec> spec_of(const TensorMap& element);
// One that fits both: lengths that differ become -1. Fails where kinds, dtypes or names differ.
Status widen_spec(std::vector<ElementSpec>& spec, std::span<const ElementSpec> other);

}  // namespace dataset
}  // namespace ferry
