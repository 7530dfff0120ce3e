// COO, CSR and CSC into one another. Everything is a counting sort by the new major axis, and where the entries are
// in that order already, a copy.
#include <algorithm>
#include <limits>
#include <vector>

#include "ferry/sparse.h"
#include "tensor/entries.h"

namespace ferry {
namespace {

constexpr int64_t kMax32 = std::numeric_limits<int32_t>::max();

DType smallest_index(const SparseTensor& x) {
  return x.nnz() <= kMax32 && x.shape()[0] <= kMax32 && x.shape()[1] <= kMax32 ? DType::int32 : DType::int64;
}

Status check_index(const SparseTensor& x, DType index) {
  if (index != DType::int32 && index != DType::int64) {
    return invalid_argument(concat("indices of CSR and CSC are int32 or int64, not ", dtype_name(index)));
  }
  if (index == DType::int32 && (x.nnz() > kMax32 || std::max(x.shape()[0], x.shape()[1]) - 1 > kMax32)) {
    return invalid_argument(concat("shape ", x.shape().to_string(), " with ", x.nnz(), " entries does not fit int32 indices; use int64"));
  }
  return {};
}

template <class Index>
Result<MutableBuffer> allocate_pointers(int64_t majors) {
  if (majors == std::numeric_limits<int64_t>::max()) return limit_exceeded("2^63 row pointers do not fit memory; keep COO");
  auto buffer = MutableBuffer::of<Index>(static_cast<size_t>(majors) + 1);
  if (!buffer.ok()) return buffer.status().with_context(concat("row pointers for an axis of ", majors));
  return buffer;
}

struct Parts {
  DenseTensor indptr, indices, values;
};

// Row-major entries: each leaves its number at its row's end, the last one of a row staying; rows without any take
// over their predecessor's end. No branch depends on the data, and the values are shared.
template <class Index>
Result<SparseTensor> stream_coo(const SparseTensor& x, ThreadPool* pool) {
  const int64_t majors = x.shape()[0], count = x.nnz();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer pointer_buffer, allocate_pointers<Index>(majors));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer index_buffer, MutableBuffer::of<Index>(static_cast<size_t>(count)));
  auto* pointers = reinterpret_cast<Index*>(pointer_buffer.data());
  auto* minors = reinterpret_cast<Index*>(index_buffer.data());
  const int64_t* at = x.coordinates();
  std::fill(pointers, pointers + majors + 1, Index{0});
  parallel_for(pool, count, kGrain, [&](int64_t begin, int64_t end) {
    // The row that goes on in the next piece is that piece's to close.
    int64_t stop = end;
    while (end < count && stop > begin && at[2 * (stop - 1)] == at[2 * end]) --stop;
    for (int64_t i = begin; i < stop; ++i) {
      pointers[at[2 * i] + 1] = static_cast<Index>(i + 1);
      minors[i] = static_cast<Index>(at[2 * i + 1]);
    }
    for (int64_t i = stop; i < end; ++i) minors[i] = static_cast<Index>(at[2 * i + 1]);
  });
  Index last = 0;
  for (int64_t row = 1; row <= majors; ++row) pointers[row] = last = std::max(last, pointers[row]);
  FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, to_vector<Index>(std::move(pointer_buffer)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, to_vector<Index>(std::move(index_buffer)));
  return SparseTensor::csr(x.shape(), std::move(indptr), std::move(indices), x.values(), x.order());
}

// The counting sort: major(i) and minor(i) give entry i's place; for_each walks entries in input order.
template <class Index, class ForEach>
Result<Parts> count_sort(int64_t majors, const DenseTensor& values, ForEach for_each) {
  const auto count = static_cast<size_t>(values.num_elements());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer pointer_buffer, allocate_pointers<Index>(majors));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer index_buffer, MutableBuffer::of<Index>(count));
  auto* pointers = reinterpret_cast<Index*>(pointer_buffer.data());
  auto* minors = reinterpret_cast<Index*>(index_buffer.data());
  // pointers[m] counts, then holds where row m's next entry goes, and at the end where row m ends: shifting it by one
  // place gives the row pointers.
  std::fill(pointers, pointers + majors + 1, Index{0});
  for_each([&](int64_t, int64_t major, int64_t) { ++pointers[major + 1]; });
  for (int64_t m = 0; m < majors; ++m) pointers[m + 1] = static_cast<Index>(pointers[m + 1] + pointers[m]);
  const auto place = [&](auto store) {
    for_each([&](int64_t i, int64_t major, int64_t minor) {
      const auto to = static_cast<size_t>(pointers[major]++);
      minors[to] = static_cast<Index>(minor);
      store(i, to);
    });
    std::copy_backward(pointers, pointers + majors, pointers + majors + 1);
    pointers[0] = 0;
  };
  Parts parts;
  if (values.is_string()) {
    std::vector<int64_t> positions(count);
    place([&](int64_t i, size_t to) { positions[to] = i; });
    FERRY_ASSIGN_OR_RETURN(parts.values, gather_values(values, std::span<const int64_t>(positions)));
  } else {
    const size_t size = dtype_size(values.dtype());
    FERRY_ASSIGN_OR_RETURN(MutableBuffer value_buffer, MutableBuffer::allocate(count * size));
    visit_width(size, [&]<class Tag>(Tag) {
      using T = typename Tag::type;
      const T* from = static_cast<const T*>(values.raw());
      T* out = reinterpret_cast<T*>(value_buffer.data());
      place([&](int64_t i, size_t to) { out[to] = from[i]; });
    });
    FERRY_ASSIGN_OR_RETURN(parts.values, DenseTensor::make(values.dtype(), values.shape(), std::move(value_buffer).freeze()));
  }
  FERRY_ASSIGN_OR_RETURN(parts.indptr, to_vector<Index>(std::move(pointer_buffer)));
  FERRY_ASSIGN_OR_RETURN(parts.indices, to_vector<Index>(std::move(index_buffer)));
  return parts;
}

// The same in the calling thread with both questions asked on the way, whether entries are in bounds and in order;
// nullopt where either fails, and somebody else says what is wrong.
template <class Index>
Result<std::optional<SparseTensor>> try_stream_coo(const SparseTensor& x) {
  const int64_t majors = x.shape()[0], count = x.nnz();
  const auto rows = static_cast<uint64_t>(majors), columns = static_cast<uint64_t>(x.shape()[1]);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer pointer_buffer, allocate_pointers<Index>(majors));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer index_buffer, MutableBuffer::of<Index>(static_cast<size_t>(count)));
  auto* pointers = reinterpret_cast<Index*>(pointer_buffer.data());
  auto* minors = reinterpret_cast<Index*>(index_buffer.data());
  const int64_t* at = x.coordinates();
  std::fill(pointers, pointers + majors + 1, Index{0});
  uint64_t falls = 0, repeats = 0;
  int64_t row = -1, column = -1;
  for (int64_t begin = 0; begin < count; begin += 1024) {
    for (int64_t i = begin; i < std::min(count, begin + 1024); ++i) {
      const int64_t next_row = at[2 * i], next_column = at[2 * i + 1];
      if (static_cast<uint64_t>(next_row) >= rows || static_cast<uint64_t>(next_column) >= columns) [[unlikely]] {
        return std::optional<SparseTensor>();
      }
      const uint64_t same = next_row == row;
      falls |= uint64_t{next_row < row} | (same & uint64_t{next_column < column});
      repeats |= same & uint64_t{next_column == column};
      row = next_row;
      column = next_column;
      pointers[row + 1] = static_cast<Index>(i + 1);
      minors[i] = static_cast<Index>(column);
    }
    if (falls != 0) return std::optional<SparseTensor>();
  }
  Index last = 0;
  for (int64_t r = 1; r <= majors; ++r) pointers[r] = last = std::max(last, pointers[r]);
  FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, to_vector<Index>(std::move(pointer_buffer)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, to_vector<Index>(std::move(index_buffer)));
  FERRY_ASSIGN_OR_RETURN(SparseTensor csr,
                         SparseTensor::csr(x.shape(), std::move(indptr), std::move(indices), x.values(), {true, repeats == 0}));
  return std::optional<SparseTensor>(std::move(csr));
}

template <class Index>
Result<SparseTensor> compress_coo(const SparseTensor& x, Layout layout, ThreadPool* pool) {
  // A look at the first entries tells most shuffled tensors from those that are worth the try.
  const auto starts_sorted = [&] {
    const int64_t* at = x.coordinates();
    for (int64_t i = 1; i < std::min<int64_t>(x.nnz(), 16); ++i) {
      if (at[2 * i] < at[2 * i - 2]) return false;
    }
    return true;
  };
  if (layout == Layout::csr && (pool == nullptr || pool->size() == 1) && starts_sorted()) {
    FERRY_ASSIGN_OR_RETURN(std::optional<SparseTensor> csr, try_stream_coo<Index>(x));
    if (csr) return *std::move(csr);
  }
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  const size_t major = layout == Layout::csr ? 0 : 1;
  const Order order = find_order(x, pool);
  if (layout == Layout::csr && order.sorted) return stream_coo<Index>(x.with_order(order), pool);
  const int64_t* at = x.coordinates();
  FERRY_ASSIGN_OR_RETURN(Parts parts, count_sort<Index>(x.shape()[major], x.values(), [&](auto visit) {
                           for (int64_t i = 0; i < x.nnz(); ++i) {
                             visit(i, at[2 * i + static_cast<int64_t>(major)], at[2 * i + 1 - static_cast<int64_t>(major)]);
                           }
                         }));
  return SparseTensor::compressed(layout, x.shape(), std::move(parts.indptr), std::move(parts.indices), std::move(parts.values), order);
}

// CSR into CSC or back: the minor axis becomes the major one.
template <class To, class From>
Result<SparseTensor> swap_axes(const SparseTensor& x, Layout layout) {
  const auto indptr = x.indptr().values<From>();
  const auto indices = x.indices().values<From>();
  FERRY_ASSIGN_OR_RETURN(Parts parts, count_sort<To>(x.shape()[layout == Layout::csr ? 0 : 1], x.values(), [&](auto visit) {
                           for (size_t m = 0; m + 1 < indptr.size(); ++m) {
                             for (auto i = static_cast<int64_t>(indptr[m]); i < static_cast<int64_t>(indptr[m + 1]); ++i) {
                               visit(i, static_cast<int64_t>(indices[static_cast<size_t>(i)]), static_cast<int64_t>(m));
                             }
                           }
                         }));
  // Majors were walked in order, so the new minors rise whatever the old order was.
  return SparseTensor::compressed(layout, x.shape(), std::move(parts.indptr), std::move(parts.indices), std::move(parts.values),
                                  {true, x.order().unique});
}

template <class From>
Result<SparseTensor> expand_csr(const SparseTensor& x, ThreadPool* pool) {
  const auto indptr = x.indptr().values<From>();
  const auto indices = x.indices().values<From>();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer buffer, MutableBuffer::of<int64_t>(2 * static_cast<size_t>(x.nnz())));
  auto* at = reinterpret_cast<int64_t*>(buffer.data());
  parallel_for(pool, x.shape()[0], 4096, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (auto i = static_cast<size_t>(indptr[static_cast<size_t>(row)]); i < static_cast<size_t>(indptr[static_cast<size_t>(row) + 1]);
           ++i) {
        at[2 * i] = row;
        at[2 * i + 1] = static_cast<int64_t>(indices[i]);
      }
    }
  });
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates, DenseTensor::make(DType::int64, Shape{x.nnz(), 2}, std::move(buffer).freeze()));
  return SparseTensor::coo(x.shape(), std::move(coordinates), x.values(), x.order());
}

template <class To, class From>
Result<DenseTensor> convert_indices(const DenseTensor& x) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer buffer, MutableBuffer::of<To>(static_cast<size_t>(x.num_elements())));
  const auto from = x.values<From>();
  const auto to = buffer.as<To>();
  for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<To>(from[i]);
  return to_vector<To>(std::move(buffer));
}

}  // namespace

Result<SparseTensor> with_index_dtype(const SparseTensor& x, DType index) {
  if (x.layout() == Layout::coo) {
    if (index == DType::int64) return x;
    return invalid_argument(concat("COO indices are always int64, not ", dtype_name(index)));
  }
  FERRY_RETURN_IF_ERROR(check_index(x, index));
  if (index == x.index_dtype()) return x;
  // An index out of bounds could wrap into one that is not.
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  const auto convert = index == DType::int32 ? convert_indices<int32_t, int64_t> : convert_indices<int64_t, int32_t>;
  FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, convert(x.indptr()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, convert(x.indices()));
  return SparseTensor::compressed(x.layout(), x.shape(), std::move(indptr), std::move(indices), x.values(), x.order());
}

Result<SparseTensor> to_layout(const SparseTensor& x, Layout layout, std::optional<DType> index, ThreadPool* pool) {
  if (layout == x.layout()) return index ? with_index_dtype(x, *index) : x;
  if (layout == Layout::coo) {
    if (index && *index != DType::int64) return invalid_argument(concat("COO indices are always int64, not ", dtype_name(*index)));
    if (x.layout() == Layout::csc) {
      // Pointers to rows that dwarf the entries would cost memory for nothing: those entries are sorted instead.
      if (x.shape()[0] / 8 > x.nnz() + kGrain) {
        FERRY_ASSIGN_OR_RETURN(const SparseTensor turned, transpose(x, {}, pool));
        FERRY_ASSIGN_OR_RETURN(const SparseTensor entries, to_layout(turned, Layout::coo, std::nullopt, pool));
        FERRY_ASSIGN_OR_RETURN(const SparseTensor back, transpose(entries, {}, pool));
        return sort(back, pool);
      }
      // By way of CSR, so that the entries come out row by row.
      FERRY_ASSIGN_OR_RETURN(const SparseTensor csr, to_layout(x, Layout::csr, std::nullopt, pool));
      return to_layout(csr, Layout::coo, std::nullopt, pool);
    }
    FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
    return x.index_dtype() == DType::int32 ? expand_csr<int32_t>(x, pool) : expand_csr<int64_t>(x, pool);
  }
  if (x.rank() != 2) {
    return invalid_argument(
        concat(layout_name(layout), " has two axes, shape ", x.shape().to_string(), " has ", x.rank(), "; reshape it or keep COO"));
  }
  const DType to = index.value_or(smallest_index(x));
  FERRY_RETURN_IF_ERROR(check_index(x, to));
  if (x.layout() == Layout::coo) {
    return to == DType::int32 ? compress_coo<int32_t>(x, layout, pool) : compress_coo<int64_t>(x, layout, pool);
  }
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  if (to == DType::int32)
    return x.index_dtype() == DType::int32 ? swap_axes<int32_t, int32_t>(x, layout) : swap_axes<int32_t, int64_t>(x, layout);
  return x.index_dtype() == DType::int32 ? swap_axes<int64_t, int32_t>(x, layout) : swap_axes<int64_t, int64_t>(x, layout);
}

}  // namespace ferry
