// What one does to ragged tensors.
#pragma once

#include <optional>
#include <span>

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"

namespace ferry {

Result<DenseTensor> splits_from_lengths(const DenseTensor& lengths);  // int32 or int64 [n] → [n + 1]
Result<DenseTensor> lengths_from_splits(const DenseTensor& splits);
Result<RaggedTensor> from_lengths(std::span<const DenseTensor> nested_lengths, DenseTensor flat_values);

// Rows end at the first run of `padding` that reaches the row's end; with lengths, where they say. Axis 1 becomes ragged.
Result<RaggedTensor> ragged_from_dense(const DenseTensor& dense, const std::optional<DenseTensor>& lengths,
                                       const std::optional<DenseTensor>& padding = std::nullopt);
// `padding` is a scalar of the same dtype (without one: zero or ""); `width` per ragged axis cuts or widens, -1 takes the longest.
Result<DenseTensor> to_dense(const RaggedTensor& x, const std::optional<DenseTensor>& padding = std::nullopt,
                             std::span<const int64_t> widths = {}, const Limits& limits = {});
// As tf.RaggedTensor.to_sparse: coordinates are positions in the rows.
Result<SparseTensor> to_sparse(const RaggedTensor& x);
// Rows of an COO/CSR rank-2 tensor as lists of their values: what from_sparse gives. Entries must fill each row from the left.
Result<RaggedTensor> ragged_from_sparse(const SparseTensor& x);
// row_splits as indptr, flat_values as column ids, all ones (of `value_dtype`) as values: the multi-hot reading of id lists.
Result<SparseTensor> ragged_ids_to_csr(const RaggedTensor& ids, int64_t columns, DType value_dtype = DType::float32);

Result<RaggedTensor> slice_rows(const RaggedTensor& x, int64_t begin, int64_t end);
Result<RaggedTensor> concat_rows(std::span<const RaggedTensor> parts);

}  // namespace ferry
