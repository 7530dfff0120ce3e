// Row-major order. One look decides whether there is anything to do.
#include <algorithm>
#include <vector>

#include "ferry/sparse.h"
#include "tensor/entries.h"

namespace ferry {
namespace {

// For shapes whose coordinates do not fit a machine word: compare the rows themselves.
std::vector<int64_t> permutation_by_comparing(const SparseTensor& x) {
  std::vector<int64_t> order(static_cast<size_t>(x.nnz()));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  const size_t rank = x.rank();
  const int64_t* rows = x.coordinates();
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const int64_t* p = rows + rank * static_cast<size_t>(a);
    const int64_t* q = rows + rank * static_cast<size_t>(b);
    return std::lexicographical_compare(p, p + rank, q, q + rank);
  });
  return order;
}

Result<SparseTensor> sort_coo(const SparseTensor& x, ThreadPool* pool) {
  const std::vector<int64_t> order = permutation_by_comparing(x);
  const std::span<const int64_t> positions(order);
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, gather_coordinates(x.coordinates(), x.rank(), positions, pool));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, gather_values(x.values(), positions, pool));
  return SparseTensor::coo(x.shape(), std::move(indices), std::move(values), {true, x.order().unique});
}

template <class Index>
Result<SparseTensor> sort_compressed(const SparseTensor& x, ThreadPool* pool) {
  const auto indptr = x.indptr().values<Index>();
  const auto from = x.indices().values<Index>();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer position_buffer, MutableBuffer::of<int64_t>(from.size()));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer index_buffer, MutableBuffer::of<Index>(from.size()));
  const auto positions = position_buffer.as<int64_t>();
  const auto to = index_buffer.as<Index>();
  const auto rows = static_cast<int64_t>(indptr.size()) - 1;
  parallel_for(pool, rows, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto first = static_cast<size_t>(indptr[static_cast<size_t>(row)]),
                 last = static_cast<size_t>(indptr[static_cast<size_t>(row) + 1]);
      for (size_t i = first; i < last; ++i) positions[i] = static_cast<int64_t>(i);
      std::stable_sort(positions.begin() + static_cast<ptrdiff_t>(first), positions.begin() + static_cast<ptrdiff_t>(last),
                       [&](int64_t a, int64_t b) { return from[static_cast<size_t>(a)] < from[static_cast<size_t>(b)]; });
      for (size_t i = first; i < last; ++i) to[i] = from[static_cast<size_t>(positions[i])];
    }
  });
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, to_vector<Index>(std::move(index_buffer)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, gather_values(x.values(), std::span<const int64_t>(positions), pool));
  return SparseTensor::compressed(x.layout(), x.shape(), x.indptr(), std::move(indices), std::move(values), {true, x.order().unique});
}

}  // namespace

Result<SparseTensor> sort(const SparseTensor& x, ThreadPool* pool) {
  const Order order = x.order().sorted ? x.order() : find_order(x, pool);
  if (order.sorted) return x.with_order(order);
  if (x.layout() == Layout::coo) return sort_coo(x, pool);
  return x.index_dtype() == DType::int32 ? sort_compressed<int32_t>(x, pool) : sort_compressed<int64_t>(x, pool);
}

}  // namespace ferry
