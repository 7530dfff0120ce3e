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

// Makes one batch's tensors from its columns.
class ExampleBuilder {
 public:
  ExampleBuilder(const ExamplePlan& plan, std::span<BuiltColumn> columns, int64_t rows, bool single, const Limits& limits, BufferPool& pool)
      : plan_(plan), columns_(columns), rows_(rows), single_(single), limits_(limits), pool_(pool) {}

  // `spare`: a vector whose memory a ragged tensor may use.
  Result<Tensor> build(size_t feature, std::vector<DenseTensor> spare);
  // The record that an error of build() is about, or -1.
  int64_t failed() const { return failed_; }

 private:
  Result<Tensor> fixed(const ExampleColumn& column, const BuiltColumn& from);
  Result<Tensor> sequence(const ExampleColumn& column, const BuiltColumn& from);
  Result<Tensor> var_len(const BuiltColumn& from);
  Result<Tensor> sparse(const FeatureSpec& feature, const FeaturePlan& plan);
  Result<Tensor> ragged(const FeatureSpec& feature, const FeaturePlan& plan, std::vector<DenseTensor> spare);
  Result<DenseTensor> splits_tensor(std::span<const int64_t> splits, const Buffer* shared, DType dtype);

  const ExamplePlan& plan_;
  std::span<BuiltColumn> columns_;
  int64_t rows_;
  bool single_;
  const Limits& limits_;
  BufferPool& pool_;
  int64_t failed_ = -1;
};

}  // namespace ferry::records
