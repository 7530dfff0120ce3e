// Looking at indices: are they in order, is any coordinate there twice?
#include "ferry/sparse.h"

namespace ferry {
namespace {

Order find_coo_order(const SparseTensor& x) {
  Order order{true, true};
  const size_t rank = x.rank();
  const int64_t* at = x.coordinates();
  for (int64_t i = 1; i < x.nnz(); ++i, at += rank) {
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

Order find_order(const SparseTensor& x, ThreadPool*) {
  if ((x.order().sorted && x.order().unique) || x.nnz() <= 1) return {true, true};
  Order order;
  if (x.layout() == Layout::coo) {
    order = find_coo_order(x);
  } else {
    order = x.index_dtype() == DType::int32 ? find_compressed_order<int32_t>(x) : find_compressed_order<int64_t>(x);
  }
  order.unique |= x.order().unique;  // known beforehand, though the order is not
  return order;
}

}  // namespace ferry
