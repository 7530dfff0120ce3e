// Each sparse kernel once more, written to be read: one element at a time, no threads, no tricks. The oracle of the
// property tests and of the benchmarks; nothing else calls it.
#pragma once

#include "ferry/sparse.h"

namespace ferry::reference {

Result<SparseTensor> from_dense(const DenseTensor& dense);  // COO
Order find_order(const SparseTensor& x);
SparseTensor sort(const SparseTensor& x);                               // COO
Result<SparseTensor> coalesce(const SparseTensor& x, Duplicates rule);  // COO; rules that the dtype knows
SparseTensor to_coo(const SparseTensor& x);                             // of any layout, entries in stored order
DenseTensor to_dense(const SparseTensor& x);                            // of any layout; the last of several entries wins

}  // namespace ferry::reference
