// A tensor that was kept in pieces, put together.
#pragma once

#include <functional>
#include <span>

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "formats/ckpt/entry.h"

namespace ferry::ckpt {

// Every piece lies in the tensor, no two overlap, and together they are all of it.
Status check_slices(std::span<const Slice> slices, const Shape& whole);
// `read(i, shape)` gives piece i, of that shape. The slices have been checked.
Result<DenseTensor> join_slices(std::span<const Slice> slices, DType dtype, const Shape& whole, const Limits& limits,
                                const std::function<Result<DenseTensor>(size_t i, const Shape& shape)>& read);

}  // namespace ferry::ckpt
