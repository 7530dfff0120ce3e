// Elements that are taken as they lie in a file.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "ferry/dtype.h"
#include "ferry/status.h"

namespace ferry {

// What DenseTensor wants of elements that it is to share rather than copy.
inline size_t element_alignment(DType dtype) { return std::min<size_t>(dtype_size(dtype), alignof(std::max_align_t)); }

// Each byte is 0 or 1, since any other is undefined as a bool; the error names the first that is neither, at its place in `bytes`.
Status check_bools(std::span<const std::byte> bytes);

}  // namespace ferry
