// Elements moved from one layout to another: each axis has its own step on either side.
#pragma once

#include <cstdint>
#include <span>

namespace ferry::ops {

// to[Σ i·to_steps] = from[Σ i·from_steps] for every i below `lengths`; steps in elements of `width` bytes. A step of 0 on `from` repeats,
// the sum of two axes' steps walks a diagonal.
void move_strided(size_t width, std::span<const int64_t> lengths, const void* from, std::span<const int64_t> from_steps, void* to,
                  std::span<const int64_t> to_steps);

}  // namespace ferry::ops
