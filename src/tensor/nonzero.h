// The vector kernels of from_dense. A tensor is looked at once, leaving one bit an element; everything after that reads
// the bits, and of the elements only those it needs. Internal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ferry::nonzero {

// words[w] bit b says that element 64 w + b has a bit of `relevant` set. Elements are unsigned, of 1, 2, 4 or 8 bytes;
// `count` need not be a multiple of 64. Returns how many there are.
int64_t mark(const void* elements, size_t width, uint64_t relevant, int64_t count, uint64_t* words);

// A run of marked elements: bit b stands for element first + b. Bits from `size` on are clear.
struct Marked {
  std::span<const uint64_t> words;
  int64_t first;
  int64_t size;   // elements
  int64_t count;  // bits set
};

// The marked elements, one after another. `elements` points at number 0 of all; width is 1, 2, 4, 8 or 16.
void pick(const Marked& marked, const void* elements, size_t width, void* out);

// Their coordinates, int64 [count, rank] of row-major elements of `shape`.
void write_coordinates(const Marked& marked, std::span<const int64_t> shape, int64_t* out);

// Their columns in a matrix of `width` columns. row_ends[r] is set to base + the marks so far for each row r that ends
// in this run: rows whose last element lies in it.
void write_columns(const Marked& marked, int64_t width, int64_t base, int32_t* out, int32_t* row_ends);
void write_columns(const Marked& marked, int64_t width, int64_t base, int64_t* out, int64_t* row_ends);

}  // namespace ferry::nonzero
