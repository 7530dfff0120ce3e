// Columns of values to tensors: rows put together, coordinates, row splits and padding made.
#pragma once

#include <span>
#include <vector>

#include "ferry/buffer_pool.h"
#include "ferry/features.h"
#include "records/example_plan.h"
#include "records/example_rows.h"

namespace ferry::records {

// One column of the whole batch: the values in a row of their own, and for all but fixed columns where each row begins.
struct BuiltColumn {
  DenseTensor values;  // [count]
  Buffer splits;       // int64 [rows + 1]
  int64_t rows = 0;
  std::span<const int64_t> row_splits() const { return splits.as<int64_t>(); }
};

// Of the parts of a batch, one after the other; what can be is moved and not copied. `fixed` is the block that the numbers of
// a fixed column were written to.
Result<BuiltColumn> join_parts(const ExampleColumn& column, size_t index, std::span<ExampleRows* const> parts, int64_t rows,
                               PooledBuffer fixed, BufferPool& pool);

// The rows of a ragged feature: `values` cut by the partitions, each a column of as many rows or none for a uniform length.
// A row here is a record, or a step of a feature list.
struct CutRows {
  std::vector<Buffer> splits;  // int64, outermost first: rows of the batch over rows of the first partition, and so on
  Shape inner;                 // uniform lengths at the end: axes of the values
};
// `failed` is set to the row that an error is about.
Result<CutRows> cut_rows(const BuiltColumn& values, std::span<const RaggedPartition> partitions,
                         std::span<const BuiltColumn* const> columns, const Limits& limits, BufferPool& pool, int64_t& failed);

// int64 row splits as a tensor of `dtype`; shares the bytes where it is int64.
Result<DenseTensor> splits_tensor(const Buffer& splits, DType dtype, BufferPool& pool);

// Makes one batch's tensors from its columns.
class ExampleBuilder {
 public:
  ExampleBuilder(const ExamplePlan& plan, std::span<BuiltColumn> columns, int64_t rows, bool single, const Limits& limits, BufferPool& pool)
      : plan_(plan), columns_(columns), rows_(rows), single_(single), limits_(limits), pool_(pool) {}

  // `spare`: a vector whose memory a ragged tensor may use.
  Result<Tensor> build(size_t feature, std::vector<DenseTensor> spare);
  // A feature list of SequenceExamples: columns hold a row a step, and `steps` says which are a record's.
  Result<Tensor> build_list(size_t feature, std::span<const Buffer> steps);
  // The record that an error of build() is about, or -1.
  int64_t failed() const { return failed_; }

 private:
  Result<Tensor> fixed(const ExampleColumn& column, const BuiltColumn& from);
  Result<Tensor> sequence(const ExampleColumn& column, const BuiltColumn& from);
  Result<Tensor> var_len(const BuiltColumn& from);
  Result<Tensor> sparse(const FeatureSpec& feature, const FeaturePlan& plan);
  Result<Tensor> ragged(const FeatureSpec& feature, const FeaturePlan& plan, std::vector<DenseTensor> spare, const Buffer* outer);

  const ExamplePlan& plan_;
  std::span<BuiltColumn> columns_;
  int64_t rows_;
  bool single_;
  const Limits& limits_;
  BufferPool& pool_;
  int64_t failed_ = -1;
};

}  // namespace ferry::records
