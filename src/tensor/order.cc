// Looking at indices: are they in order, is any coordinate there twice?
#include "ferry/sparse.h"

namespace ferry {

Order find_order(const SparseTensor& x, ThreadPool*) {
  if (x.order().sorted && x.order().unique) return x.order();
  Order order{true, true};
  if (x.layout() == Layout::coo) {
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
  }
  return order;
}

}  // namespace ferry
