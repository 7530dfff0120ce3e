// Looking at indices: are they in order, is any coordinate there twice?
#include <algorithm>
#include <atomic>

#include "ferry/sparse.h"
#include "tensor/entries.h"

namespace ferry {
namespace {

constexpr int64_t kBlock = 1024;  // entries looked at between two questions whether it was enough

// Compares each entry of [begin, end) with the one before it; begin is at least 1.
Order find_matrix_order(const int64_t* at, int64_t begin, int64_t end) {
  uint64_t falls = 0, repeats = 0;
  for (int64_t i = begin; i < end && falls == 0; i += kBlock) {
    const int64_t stop = std::min(end, i + kBlock);
    int64_t row = at[2 * i - 2], column = at[2 * i - 1];
    for (int64_t j = i; j < stop; ++j) {
      const int64_t next_row = at[2 * j], next_column = at[2 * j + 1];
      const uint64_t same = next_row == row;
      falls |= uint64_t{next_row < row} | (same & uint64_t{next_column < column});
      repeats |= same & uint64_t{next_column == column};
      row = next_row;
      column = next_column;
    }
  }
  return {falls == 0, falls == 0 && repeats == 0};
}

Order find_tensor_order(const int64_t* at, size_t rank, int64_t begin, int64_t end) {
  Order order{true, true};
  at += static_cast<size_t>(begin - 1) * rank;
  for (int64_t i = begin; i < end; ++i, at += rank) {
    size_t axis = 0;
    while (axis < rank && at[axis] == at[rank + axis]) ++axis;
    if (axis == rank) {
      order.unique = false;
    } else if (at[axis] > at[rank + axis]) {
      return {};
    }
  }
  return order;
}

Order find_coo_order(const SparseTensor& x, ThreadPool* pool) {
  // A shuffled tensor shows itself at once, and need not wake a thread.
  const auto look = [&](int64_t begin, int64_t end) {
    return x.rank() == 2 ? find_matrix_order(x.coordinates(), begin, end) : find_tensor_order(x.coordinates(), x.rank(), begin, end);
  };
  const int64_t first = std::min(x.nnz(), kBlock);
  const Order start = look(1, first);
  if (!start.sorted) return {};
  std::atomic<bool> sorted = true, unique = start.unique;
  parallel_for(pool, x.nnz() - first, 2 * kGrain, [&](int64_t begin, int64_t end) {
    const Order piece = look(first + begin, first + end);
    if (!piece.sorted) sorted = false;
    if (!piece.unique) unique = false;
  });
  return {sorted, sorted && unique};
}

template <class Index>
Order find_compressed_order(const SparseTensor& x) {
  const auto indptr = x.indptr().values<Index>();
  const auto indices = x.indices().values<Index>();
  bool falls = false, repeats = false;
  for (size_t row = 0; row + 1 < indptr.size() && !falls; ++row) {
    for (auto i = static_cast<size_t>(indptr[row]) + 1; i < static_cast<size_t>(indptr[row + 1]); ++i) {
      falls |= indices[i] < indices[i - 1];
      repeats |= indices[i] == indices[i - 1];
    }
  }
  return {!falls, !falls && !repeats};
}

}  // namespace

Order find_order(const SparseTensor& x, ThreadPool* pool) {
  if ((x.order().sorted && x.order().unique) || x.nnz() <= 1) return {true, true};
  Order order;
  if (x.layout() == Layout::coo) {
    order = find_coo_order(x, pool);
  } else {
    order = x.index_dtype() == DType::int32 ? find_compressed_order<int32_t>(x) : find_compressed_order<int64_t>(x);
  }
  order.unique |= x.order().unique;  // known beforehand, though the order is not
  return order;
}

}  // namespace ferry
