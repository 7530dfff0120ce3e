// PyTorch's richer layouts, as ours: dense axes behind sparse ones, blocks, batches, and nested tensors.
#pragma once

#include <string_view>

#include "ferry/limits.h"
#include "ferry/tensor.h"

namespace ferry::pt {

// indices [nnz, sparse axes], values [nnz, dense axes…]: one entry for each element of a value. Counts have been checked.
Result<SparseTensor> from_hybrid(const Shape& shape, DenseTensor indices, DenseTensor values);
// CSR, CSC, BSR and BSC with batch axes before and dense axes behind, as COO with one entry for each stored element, in stored order.
// indptr [batch…, n + 1], indices [batch…, nnz], values [batch…, nnz(, block rows, block columns), dense…], all int64. Ranks and
// counts have been checked, values of indices have not.
Result<SparseTensor> from_blocks(std::string_view layout, const Shape& shape, const DenseTensor& indptr, const DenseTensor& indices,
                                 const DenseTensor& values);
// Component i has shape sizes[i], strides strides[i], and begins offsets[i] elements into buffer. Ragged up to the last axis whose
// length differs; dense where components are scalars.
Result<Tensor> from_components(const DenseTensor& buffer, const DenseTensor& sizes, const DenseTensor& strides, const DenseTensor& offsets,
                               const Limits& limits);

}  // namespace ferry::pt
