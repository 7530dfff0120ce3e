// A tensor that was kept in pieces, put together.
#pragma once

#include <functional>
#include <span>

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "formats/ckpt/entry.h"

namespace ferry::ckpt {

// Every piece lies in the tensor, and no two overlap. That some are missing shows when they are joined: TensorFlow itself writes such
// tensors, the slots of partitioned variables in a scope.
Status check_slices(std::span<const Slice> slices, const Shape& whole);
// How many elements they hold. The slices have been checked.
int64_t held_by(std::span<const Slice> slices, const Shape& whole);
// How many there are, and how much they hold where that is not all.
std::string slices_text(std::span<const Slice> slices, const Shape& whole);
// `read(i, shape)` gives piece i, of that shape. The slices have been checked; data_loss where they are not all of the tensor.
Result<DenseTensor> join_slices(std::span<const Slice> slices, DType dtype, const Shape& whole, const Limits& limits,
                                const std::function<Result<DenseTensor>(size_t i, const Shape& shape)>& read);

}  // namespace ferry::ckpt
