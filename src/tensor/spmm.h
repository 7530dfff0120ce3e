// Sparse times dense, inside: what the public functions in spmm.cc choose from.
#pragma once

#include <span>

#include "ferry/sparse.h"

namespace ferry::spmm_kernels {

// Rows of entries, each the weight of one row of `dense` [k, n] in one row of `out` [m, n]. Borrowed for the call.
template <class T, class Index>
struct Rows {
  const Index* ends;     // row r holds entries [ends[r], ends[r + 1])
  const Index* columns;  // of entry i: columns[i * stride]
  int64_t stride;        // 1, or 2 where the columns are the second half of COO coordinates
  int64_t nnz;
  const T* values;
  const T* dense;
  int64_t n;
  T* out;
};

// Rows [begin, end), every element of them written. SIMD, chosen for the CPU at run time. An element depends on its own
// row, its column and n only, so any split of the rows gives the same bits.
void multiply_rows(const Rows<float, int32_t>& x, int64_t begin, int64_t end);
void multiply_rows(const Rows<float, int64_t>& x, int64_t begin, int64_t end);
void multiply_rows(const Rows<double, int32_t>& x, int64_t begin, int64_t end);
void multiply_rows(const Rows<double, int64_t>& x, int64_t begin, int64_t end);

// to[j] += weight * from[j].
void add_scaled(const float* from, float weight, float* to, int64_t n);
void add_scaled(const double* from, double weight, double* to, int64_t n);

// The reference: entry by entry, any layout, any numeric dtype. The shapes are checked already.
Status multiply_plain(const SparseTensor& x, DenseView dense, std::span<std::byte> out);

}  // namespace ferry::spmm_kernels
