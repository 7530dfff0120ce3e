// Whole tensors as people read them.
#pragma once

#include <cstdint>
#include <string_view>

#include "cli/printer.h"
#include "ferry/status.h"
#include "ferry/tensor.h"

namespace ferry::cli {

// "x: csr float32 [3, 4], 2 of 12 values stored".
void print_title(Printer& out, bool colour, std::string_view name, const Tensor& tensor);
// The first `limit` values, and how many more there are. Bounds have been validated.
void print_values(Printer& out, const Tensor& tensor, int64_t limit);

// The tensor with its first `limit` values only: dense keeps whole rows of axis 0 (at least one, while limit is not 0),
// ragged whole rows, sparse entries in stored order under the same shape.
Result<Tensor> first_values(const Tensor& tensor, int64_t limit);

}  // namespace ferry::cli
