// The slow and clear product that the fast ones are tested against.
#include <vector>

#include "tensor/elements.h"
#include "tensor/numeric.h"
#include "tensor/spmm.h"

namespace ferry::spmm_kernels {

Status multiply_plain(const SparseTensor& x, DenseView dense, std::span<std::byte> out) {
  const int64_t n = dense.shape.size() == 1 ? 1 : dense.shape[1];
  visit_numeric(x.dtype(), [&]<class T>(TypeTag<T>) {
    using A = Arithmetic<T>;
    const T* values = static_cast<const T*>(x.values().raw());
    const T* from = static_cast<const T*>(dense.data);
    std::vector<A> sums(static_cast<size_t>(x.shape()[0] * n));
    const auto entry = [&](int64_t i, int64_t row, int64_t column) {
      for (int64_t j = 0; j < n; ++j) {
        A& sum = sums[static_cast<size_t>(row * n + j)];
        sum = add_elements<A>(sum, multiply_elements<A>(to_arithmetic(values[i]), to_arithmetic(from[column * n + j])));
      }
    };
    if (x.layout() == Layout::coo) {
      for (int64_t i = 0; i < x.nnz(); ++i) entry(i, x.coordinates()[2 * i], x.coordinates()[2 * i + 1]);
    } else {
      elements::visit_index(x.index_dtype(), [&]<class Index>(TypeTag<Index>) {
        const auto ends = x.indptr().values<Index>();
        const auto minor = x.indices().values<Index>();
        for (size_t major = 0; major + 1 < ends.size(); ++major) {
          for (Index i = ends[major]; i < ends[major + 1]; ++i) {
            const auto row = static_cast<int64_t>(major), column = static_cast<int64_t>(minor[static_cast<size_t>(i)]);
            x.layout() == Layout::csr ? entry(i, row, column) : entry(i, column, row);
          }
        }
      });
    }
    T* to = reinterpret_cast<T*>(out.data());
    for (size_t i = 0; i < sums.size(); ++i) to[i] = static_cast<T>(sums[i]);
  });
  return {};
}

}  // namespace ferry::spmm_kernels
