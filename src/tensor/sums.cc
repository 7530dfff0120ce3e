// row_sums and column_sums.
#include "ferry/sparse.h"
#include "tensor/elements.h"
#include "tensor/numeric.h"

namespace ferry {
namespace {

using elements::visit_index;

constexpr int64_t kGrain = 1 << 12;  // rows

Status check_matrix(const SparseTensor& x, std::string_view what) {
  if (x.rank() != 2) return invalid_argument(concat(what, " need two axes, found shape ", x.shape().to_string()));
  return check_numeric(x.dtype(), what);
}

template <class T>
Result<DenseTensor> finish(MutableBuffer sums, DType dtype, int64_t count) {
  using A = Arithmetic<T>;
  if constexpr (!std::is_same_v<A, T>) {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer rounded, MutableBuffer::of<T>(static_cast<size_t>(count)));
    const A* from = reinterpret_cast<const A*>(sums.data());
    T* to = reinterpret_cast<T*>(rounded.data());
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(from[i]);
    sums = std::move(rounded);
  }
  return DenseTensor::make(dtype, Shape{count}, std::move(sums).freeze());
}

// Entry by entry into the sum that `place` names. One thread: the order of additions must not depend on the pool.
template <class T, class Place>
Result<DenseTensor> scatter_sums(const SparseTensor& x, int64_t count, Place place) {
  using A = Arithmetic<T>;
  const auto bytes = static_cast<uint64_t>(count) * sizeof(A);
  if (static_cast<uint64_t>(count) > (uint64_t{1} << 58)) return limit_exceeded(concat(count, " sums are more than memory can hold"));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer sums, MutableBuffer::zeroed(bytes));
  A* to = reinterpret_cast<A*>(sums.data());
  const T* values = static_cast<const T*>(x.values().raw());
  for (int64_t i = 0; i < x.nnz(); ++i) {
    A& sum = to[place(i)];
    sum = add_elements<A>(sum, to_arithmetic(values[i]));
  }
  return finish<T>(std::move(sums), x.dtype(), count);
}

Result<DenseTensor> sums_along(const SparseTensor& x, size_t kept, ThreadPool* pool) {
  const int64_t count = x.shape()[kept];
  return visit_numeric(x.dtype(), [&]<class T>(TypeTag<T>) -> Result<DenseTensor> {
    if (x.layout() == Layout::coo) {
      const int64_t* coordinates = x.coordinates();  // null where there are none
      const auto column = static_cast<int64_t>(kept);
      return scatter_sums<T>(x, count, [=](int64_t i) { return coordinates[2 * i + column]; });
    }
    return visit_index(x.index_dtype(), [&]<class Index>(TypeTag<Index>) -> Result<DenseTensor> {
      if (kept != (x.layout() == Layout::csr ? 0u : 1u)) {
        const Index* indices = x.indices().values<Index>().data();
        return scatter_sums<T>(x, count, [=](int64_t i) { return indices[i]; });
      }
      FERRY_ASSIGN_OR_RETURN(MutableBuffer sums, MutableBuffer::of<T>(static_cast<size_t>(count)));
      const Index* ends = x.indptr().values<Index>().data();
      const T* values = static_cast<const T*>(x.values().raw());
      T* to = reinterpret_cast<T*>(sums.data());
      parallel_for(pool, count, kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          Arithmetic<T> sum{};
          for (Index i = ends[row]; i < ends[row + 1]; ++i) sum = add_elements<Arithmetic<T>>(sum, to_arithmetic(values[i]));
          to[row] = static_cast<T>(sum);
        }
      });
      return DenseTensor::make(x.dtype(), Shape{count}, std::move(sums).freeze());
    });
  });
}

}  // namespace

Result<DenseTensor> row_sums(const SparseTensor& x, ThreadPool* pool) {
  FERRY_RETURN_IF_ERROR(check_matrix(x, "row sums"));
  return sums_along(x, 0, pool);
}

Result<DenseTensor> column_sums(const SparseTensor& x, ThreadPool* pool) {
  FERRY_RETURN_IF_ERROR(check_matrix(x, "column sums"));
  return sums_along(x, 1, pool);
}

}  // namespace ferry
