// Ragged tensors as ops have them: row splits from the outermost in, and the values that the last of them cuts.
#pragma once

#include <span>
#include <vector>

#include "ops/kernel.h"

namespace ferry::ops {

// Row splits of int32 or int64 as int64, held against what they cut: from 0, not falling, the last one `rows`.
Result<std::vector<int64_t>> splits_of(const DenseTensor& splits, int64_t rows, std::string_view name = "splits");
// The same, where the last may be anything.
Result<std::vector<int64_t>> splits_of(const DenseTensor& splits, std::string_view name = "splits");

// int64 numbers to an output of int32 or int64; invalid_argument where int32 does not hold one.
Status put_integers(Call& call, size_t to, DType dtype, std::span<const int64_t> values);
Result<DenseTensor> integer_tensor(DType dtype, std::span<const int64_t> values);

}  // namespace ferry::ops
