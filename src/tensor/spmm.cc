// Sparse times dense: checks, the choice of a kernel, and the plain loops for the dtypes without one.
#include "tensor/spmm.h"

#include <algorithm>

#include "ferry/checked.h"
#include "tensor/elements.h"
#include "tensor/numeric.h"

namespace ferry {
namespace {

using elements::visit_index;
using spmm_kernels::Rows;

constexpr int64_t kGrain = 1 << 16;  // multiplications that are worth a thread
constexpr int64_t kTile = 64;        // columns of the result whose sums a plain loop keeps at hand

template <class T>
inline constexpr bool has_simd_v = std::is_same_v<T, float> || std::is_same_v<T, double>;

template <class T, class Index>
void multiply_rows_plainly(const Rows<T, Index>& x, int64_t begin, int64_t end) {
  using A = Arithmetic<T>;
  for (int64_t row = begin; row < end; ++row) {
    for (int64_t first = 0; first < x.n; first += kTile) {
      const int64_t width = std::min(kTile, x.n - first);
      A sums[kTile] = {};
      for (int64_t i = x.ends[row]; i < x.ends[row + 1]; ++i) {
        const T* from = x.dense + static_cast<int64_t>(x.columns[i * x.stride]) * x.n + first;
        const A weight = to_arithmetic(x.values[i]);
        for (int64_t j = 0; j < width; ++j) sums[j] = add_elements<A>(sums[j], multiply_elements<A>(weight, to_arithmetic(from[j])));
      }
      T* to = x.out + row * x.n + first;
      for (int64_t j = 0; j < width; ++j) to[j] = static_cast<T>(sums[j]);
    }
  }
}

// Pieces of about as many entries each; a row is never cut, so the pieces do not show in the result.
template <class T, class Index>
void multiply_by_rows(const Rows<T, Index>& x, int64_t rows, ThreadPool* pool) {
  // The work before row r is r + ends[r]: an empty row costs something too.
  const auto row_at = [&](int64_t work) {
    int64_t low = 0, high = rows;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (middle + static_cast<int64_t>(x.ends[middle]) < work) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  parallel_for(pool, rows + x.nnz, std::max<int64_t>(1, kGrain / x.n), [&](int64_t begin, int64_t end) {
    const int64_t first = row_at(begin), last = row_at(end);
    if constexpr (has_simd_v<T>) {
      spmm_kernels::multiply_rows(x, first, last);
    } else {
      multiply_rows_plainly(x, first, last);
    }
  });
}

template <class T>
void add_scaled_row(const T* from, T weight, T* to, int64_t n) {
  if constexpr (has_simd_v<T>) {
    spmm_kernels::add_scaled(from, weight, to, n);
  } else {
    for (int64_t j = 0; j < n; ++j) to[j] = add_elements<T>(to[j], multiply_elements<T>(weight, from[j]));
  }
}

// Entries that do not come row by row are added where they belong, one after the other; threads share the columns of
// the result, so that each element sees its entries in one order. each_entry(f) calls f(i, row, column).
template <class T, class EachEntry>
void scatter(const T* values, const T* dense, int64_t n, T* out, int64_t rows, int64_t nnz, ThreadPool* pool, const EachEntry& each_entry) {
  std::fill_n(out, rows * n, T{});
  const int64_t pieces = (n + 15) / 16, threads = pool == nullptr ? 1 : pool->size();
  // One piece a thread: each goes over all entries.
  const int64_t grain = std::max({(pieces + threads - 1) / threads, kGrain / (nnz + 1) / 16, int64_t{1}});
  parallel_for(pool, pieces, grain, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * 16, width = std::min(end * 16, n) - first;
    each_entry([&](int64_t i, int64_t row, int64_t column) {
      add_scaled_row(dense + column * n + first, values[i], out + row * n + first, width);
    });
  });
}

bool rows_are_in_order(const SparseTensor& coo) {
  if (coo.order().sorted) return true;
  const int64_t* at = coo.coordinates();
  for (int64_t i = 1; i < coo.nnz(); ++i) {
    if (at[2 * i - 2] > at[2 * i]) return false;
  }
  return true;
}

// Where each row of a COO tensor in row order ends.
Result<MutableBuffer> row_pointers(const SparseTensor& coo) {
  const int64_t rows = coo.shape()[0];
  FERRY_ASSIGN_OR_RETURN(MutableBuffer ends, MutableBuffer::of<int64_t>(static_cast<size_t>(rows) + 1));
  int64_t* to = ends.as<int64_t>().data();
  const int64_t* at = coo.coordinates();
  int64_t i = 0;
  for (int64_t row = 0; row <= rows; ++row) {
    while (i < coo.nnz() && at[2 * i] < row) ++i;
    to[row] = i;
  }
  return ends;
}

// Long rows of `dense`, each wanted several times but far apart, come from memory every time. By columns each comes once, and it is
// the result that is gone over again: where that is small, the other layout pays for itself. Threads hide the wait as well, and gain
// nothing; so that they change no bit, this is for entries in order and whole tiles of columns, which are summed one by one anyway.
template <class T>
bool better_by_columns(const SparseTensor& x, int64_t n, const ThreadPool* pool) {
  constexpr int64_t kFarFromCached = 32 << 20, kStaysCached = 8 << 20, kLongRow = 1 << 10, kWholeTiles = 512;  // bytes
  const int64_t row = n * static_cast<int64_t>(sizeof(T));
  const int64_t rows = x.shape()[0], columns = x.shape()[1];
  return has_simd_v<T> && x.layout() != Layout::csc && x.order().sorted && (pool == nullptr || pool->size() == 1) && row >= kLongRow &&
         row % kWholeTiles == 0 && rows <= kStaysCached / row && columns > kFarFromCached / row && x.nnz() / 3 >= columns;
}

template <class T>
Status multiply(const SparseTensor& x, const T* dense, int64_t n, T* out, ThreadPool* pool) {
  const int64_t rows = x.shape()[0];
  const T* values = static_cast<const T*>(x.values().raw());
  if (better_by_columns<T>(x, n, pool)) {
    FERRY_ASSIGN_OR_RETURN(const SparseTensor by_column, to_layout(x, Layout::csc, std::nullopt, pool));
    return multiply(by_column, dense, n, out, pool);
  }
  if (x.layout() == Layout::csr) {
    visit_index(x.index_dtype(), [&]<class Index>(TypeTag<Index>) {
      const Rows<T, Index> entries{
          x.indptr().values<Index>().data(), x.indices().values<Index>().data(), 1, x.nnz(), values, dense, n, out};
      multiply_by_rows(entries, rows, pool);
    });
    return {};
  }
  // Row pointers for a handful of entries in a great many rows would cost more than the product.
  if (x.layout() == Layout::coo && x.nnz() >= rows / 4 && rows_are_in_order(x)) {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer ends, row_pointers(x));
    const Rows<T, int64_t> entries{ends.as<int64_t>().data(), x.coordinates() + (x.nnz() > 0), 2, x.nnz(), values, dense, n, out};
    multiply_by_rows(entries, rows, pool);
    return {};
  }
  if constexpr (!std::is_same_v<Arithmetic<T>, T>) {
    // Sums kept in T would be rounded at every step.
    FERRY_ASSIGN_OR_RETURN(const SparseTensor by_row, to_layout(x, Layout::csr, std::nullopt, pool));
    return multiply(by_row, dense, n, out, pool);
  } else if (x.layout() == Layout::coo) {
    const int64_t* at = x.coordinates();
    scatter(values, dense, n, out, rows, x.nnz(), pool, [&](const auto& add) {
      for (int64_t i = 0; i < x.nnz(); ++i) add(i, at[2 * i], at[2 * i + 1]);
    });
  } else {
    visit_index(x.index_dtype(), [&]<class Index>(TypeTag<Index>) {
      const auto ends = x.indptr().values<Index>();
      const auto minor = x.indices().values<Index>();
      scatter(values, dense, n, out, rows, x.nnz(), pool, [&](const auto& add) {
        for (size_t column = 0; column + 1 < ends.size(); ++column) {
          for (Index i = ends[column]; i < ends[column + 1]; ++i) {
            add(i, static_cast<int64_t>(minor[static_cast<size_t>(i)]), static_cast<int64_t>(column));
          }
        }
      });
    });
  }
  return {};
}

Status check(const SparseTensor& x, DType dtype, std::span<const int64_t> shape) {
  FERRY_RETURN_IF_ERROR(check_numeric(x.dtype(), "a matrix product"));
  if (x.rank() != 2) return invalid_argument(concat("a matrix product needs a sparse tensor of two axes, found ", x.shape().to_string()));
  if (dtype != x.dtype()) {
    return invalid_argument(
        concat("the sparse tensor is ", dtype_name(x.dtype()), " and the dense one ", dtype_name(dtype), "; cast one of them"));
  }
  if (shape.empty() || shape.size() > 2 || shape[0] != x.shape()[1]) {
    return invalid_argument(concat("sparse ", x.shape().to_string(), " times dense ", Shape(shape).to_string(),
                                   " is not defined; expected [", x.shape()[1], "] or [", x.shape()[1], ", n]"));
  }
  return {};
}

Result<DenseTensor> product(const SparseTensor& x, const DenseTensor& dense, ThreadPool* pool) {
  FERRY_RETURN_IF_ERROR(check(x, dense.dtype(), dense.shape().dims()));
  Shape shape{x.shape()[0]};
  if (dense.shape().rank() == 2) shape.append(dense.shape()[1]);
  const auto count = shape.num_elements();
  const auto bytes = count ? checked_mul(static_cast<size_t>(*count), dtype_size(x.dtype())) : std::nullopt;
  if (!bytes) return limit_exceeded(concat("the product would have the shape ", shape.to_string(), ", more than memory can hold"));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(*bytes));
  FERRY_RETURN_IF_ERROR(spmm_into(x, dense.view(), {out.data(), out.size()}, pool));
  return DenseTensor::make(x.dtype(), std::move(shape), std::move(out).freeze());
}

}  // namespace

Result<DenseTensor> spmv(const SparseTensor& x, const DenseTensor& vector, ThreadPool* pool) {
  if (vector.shape().rank() != 1) {
    return invalid_argument(concat("expected a dense vector, found shape ", vector.shape().to_string(), "; spmm takes matrices"));
  }
  return product(x, vector, pool);
}

Result<DenseTensor> spmm(const SparseTensor& x, const DenseTensor& dense, ThreadPool* pool) { return product(x, dense, pool); }

Status spmm_into(const SparseTensor& x, DenseView dense, std::span<std::byte> out, ThreadPool* pool) {
  FERRY_RETURN_IF_ERROR(check(x, dense.dtype, dense.shape));
  const int64_t rows = x.shape()[0], n = dense.shape.size() == 1 ? 1 : dense.shape[1];
  const size_t size = dtype_size(x.dtype());
  const auto count = checked_mul(rows, n);
  const auto bytes = count ? checked_mul(static_cast<uint64_t>(*count), static_cast<uint64_t>(size)) : std::nullopt;
  if (!bytes || *bytes != out.size()) {
    return invalid_argument(concat("the product of ", rows, " rows and ", n, " columns of ", dtype_name(x.dtype()), " does not fit the ",
                                   out.size(), " bytes given for it"));
  }
  if (*bytes == 0) return {};
  return visit_numeric(x.dtype(), [&]<class T>(TypeTag<T>) -> Status {
    if (reinterpret_cast<uintptr_t>(out.data()) % alignof(T) != 0 || reinterpret_cast<uintptr_t>(dense.data) % alignof(T) != 0) {
      return invalid_argument(concat("dense elements of ", dtype_name(x.dtype()), " must be aligned to ", alignof(T), " bytes"));
    }
    return multiply(x, static_cast<const T*>(dense.data), n, reinterpret_cast<T*>(out.data()), pool);
  });
}

}  // namespace ferry
