// Copies a box of elements from one array to another, both with strides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ferry::zarr {

// Strides in elements of `width` bytes: 1, 2, 4, 8 or 16.
void copy_box(std::byte* to, std::span<const int64_t> to_strides, const std::byte* from, std::span<const int64_t> from_strides,
              std::span<const int64_t> shape, size_t width);
// The bytes of each element of `width` in reverse order, in place.
void swap_elements(std::span<std::byte> bytes, size_t width);

}  // namespace ferry::zarr
