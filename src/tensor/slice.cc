// Windows of sparse tensors.
#include <algorithm>

#include "ferry/sparse.h"
#include "tensor/elements.h"

namespace ferry {
namespace {

using elements::freeze;
using elements::visit_index;

// Entries [begin, end) of a COO tensor, their coordinate on axis 0 less `first`.
Result<SparseTensor> coo_range(const SparseTensor& x, Shape shape, int64_t begin, int64_t end, int64_t first) {
  const auto rank = static_cast<int64_t>(x.rank());
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, x.values().slice_rows(begin, end));
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, x.indices().slice_rows(begin, end));
  if (first != 0 && begin < end) {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer shifted, MutableBuffer::allocate(indices.buffer().size()));
    std::ranges::copy(indices.values<int64_t>(), shifted.as<int64_t>().begin());
    int64_t* at = shifted.as<int64_t>().data();
    for (int64_t i = begin; i < end; ++i, at += rank) *at -= first;
    FERRY_ASSIGN_OR_RETURN(indices, freeze<int64_t>(std::move(shifted), indices.shape()));
  }
  return SparseTensor::coo(std::move(shape), std::move(indices), std::move(values), x.order());
}

// The entries of a sorted COO tensor whose first coordinate is in [begin, end).
std::pair<int64_t, int64_t> sorted_rows(const SparseTensor& x, int64_t begin, int64_t end) {
  const size_t rank = x.rank();
  const int64_t* at = x.coordinates();
  const auto first_not_below = [&](int64_t row, int64_t low) {
    int64_t high = x.nnz();
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (at[static_cast<size_t>(middle) * rank] < row) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  const int64_t first = first_not_below(begin, 0);
  return {first, first_not_below(end, first)};
}

// CSR rows (CSC columns) [begin, end): a new indptr, the rest shared.
Result<SparseTensor> slice_major(const SparseTensor& x, int64_t begin, int64_t end) {
  return visit_index(x.index_dtype(), [&]<class Index>(TypeTag<Index>) -> Result<SparseTensor> {
    const auto indptr = x.indptr().values<Index>().subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin) + 1);
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<Index>(indptr.size()));
    const Index first = indptr.front(), last = indptr.back();
    std::ranges::transform(indptr, out.as<Index>().begin(), [first](Index i) { return static_cast<Index>(i - first); });
    FERRY_ASSIGN_OR_RETURN(DenseTensor cut, freeze<Index>(std::move(out)));
    FERRY_ASSIGN_OR_RETURN(DenseTensor indices, x.indices().slice_rows(first, last));
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, x.values().slice_rows(first, last));
    Shape shape = x.shape();
    shape[x.layout() == Layout::csr ? 0 : 1] = end - begin;
    return SparseTensor::compressed(x.layout(), std::move(shape), std::move(cut), std::move(indices), std::move(values), x.order());
  });
}

// Keeps the entries of each CSR row (CSC column) whose minor index is in [begin, end).
Result<SparseTensor> slice_minor(const SparseTensor& x, int64_t begin, int64_t end) {
  const size_t minor = x.layout() == Layout::csr ? 1 : 0;
  if (begin == 0 && end == x.shape()[minor]) return x;
  return visit_index(x.index_dtype(), [&]<class Index>(TypeTag<Index>) -> Result<SparseTensor> {
    const auto indptr = x.indptr().values<Index>();
    const Index* indices = x.indices().values<Index>().data();
    FERRY_ASSIGN_OR_RETURN(MutableBuffer cut, MutableBuffer::of<Index>(indptr.size()));
    FERRY_ASSIGN_OR_RETURN(MutableBuffer kept, MutableBuffer::of<Index>(static_cast<size_t>(x.nnz())));
    FERRY_ASSIGN_OR_RETURN(MutableBuffer positions, MutableBuffer::of<int64_t>(static_cast<size_t>(x.nnz())));
    Index* cut_at = cut.as<Index>().data();
    Index* kept_at = kept.as<Index>().data();
    int64_t* position_at = positions.as<int64_t>().data();
    size_t count = 0;
    cut_at[0] = 0;
    for (size_t row = 0; row + 1 < indptr.size(); ++row) {
      for (Index i = indptr[row]; i < indptr[row + 1]; ++i) {
        // Written always, kept by the count: no branch to guess wrong.
        kept_at[count] = static_cast<Index>(indices[i] - begin);
        position_at[count] = i;
        count += indices[i] >= begin && indices[i] < end;
      }
      cut_at[row + 1] = static_cast<Index>(count);
    }
    kept.truncate(count * sizeof(Index));
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, elements::take(x.values(), positions.as<int64_t>().first(count)));
    FERRY_ASSIGN_OR_RETURN(DenseTensor new_indptr, freeze<Index>(std::move(cut)));
    FERRY_ASSIGN_OR_RETURN(DenseTensor new_indices, freeze<Index>(std::move(kept)));
    Shape shape = x.shape();
    shape[minor] = end - begin;
    return SparseTensor::compressed(x.layout(), std::move(shape), std::move(new_indptr), std::move(new_indices), std::move(values),
                                    x.order());
  });
}

Result<SparseTensor> slice_coo(const SparseTensor& x, std::span<const int64_t> begin, Shape shape) {
  const size_t rank = x.rank();
  int64_t first = 0, last = x.nnz();
  if (rank > 0 && x.order().sorted) std::tie(first, last) = sorted_rows(x, begin[0], begin[0] + shape[0]);
  bool whole = x.order().sorted || rank == 0;
  for (size_t axis = rank == 0 ? 0 : 1; axis < rank; ++axis) whole &= begin[axis] == 0 && shape[axis] == x.shape()[axis];
  if (whole) return coo_range(x, std::move(shape), first, last, rank == 0 ? 0 : begin[0]);

  const auto most = static_cast<size_t>(last - first);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer positions, MutableBuffer::of<int64_t>(most));
  int64_t* position_at = positions.as<int64_t>().data();
  size_t count = 0;
  const int64_t* at = x.coordinates() + static_cast<size_t>(first) * rank;
  for (int64_t i = first; i < last; ++i, at += rank) {
    bool inside = true;
    for (size_t axis = 0; axis < rank; ++axis) {
      inside &= static_cast<uint64_t>(at[axis]) - static_cast<uint64_t>(begin[axis]) < static_cast<uint64_t>(shape[axis]);
    }
    position_at[count] = i;
    count += inside;
  }
  const auto kept = positions.as<int64_t>().first(count);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(count * rank));
  int64_t* to = indices.as<int64_t>().data();
  for (int64_t position : kept) {
    const int64_t* from = x.coordinates() + static_cast<size_t>(position) * rank;
    for (size_t axis = 0; axis < rank; ++axis) *to++ = from[axis] - begin[axis];
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, elements::take(x.values(), kept));
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates,
                         freeze<int64_t>(std::move(indices), Shape{static_cast<int64_t>(count), static_cast<int64_t>(rank)}));
  return SparseTensor::coo(std::move(shape), std::move(coordinates), std::move(values), x.order());
}

}  // namespace

Result<SparseTensor> slice_rows(const SparseTensor& x, int64_t begin, int64_t end) {
  if (x.rank() == 0) return invalid_argument("a scalar has no rows to slice");
  if (begin < 0 || end < begin || end > x.shape()[0]) {
    return invalid_argument(concat("rows ", begin, " to ", end, " are not within shape ", x.shape().to_string()));
  }
  if (x.layout() == Layout::csr) return slice_major(x, begin, end);
  if (x.layout() == Layout::csc) return slice_minor(x, begin, end);
  Shape shape = x.shape();
  shape[0] = end - begin;
  std::vector<int64_t> first(x.rank(), 0);
  first[0] = begin;
  return slice_coo(x, first, std::move(shape));
}

Result<SparseTensor> slice(const SparseTensor& x, std::span<const int64_t> begin, std::span<const int64_t> size) {
  if (begin.size() != x.rank() || size.size() != x.rank()) {
    return invalid_argument(concat("a slice of shape ", x.shape().to_string(), " needs ", x.rank(), " starts and sizes, ", begin.size(),
                                   " and ", size.size(), " are given"));
  }
  Shape shape = x.shape();
  std::vector<int64_t> first(begin.begin(), begin.end());
  for (size_t axis = 0; axis < x.rank(); ++axis) {
    if (begin[axis] < 0) return invalid_argument(concat("the slice starts at ", begin[axis], " on axis ", axis, ", expected 0 or more"));
    if (size[axis] < 0) return invalid_argument(concat("the slice has the size ", size[axis], " on axis ", axis, ", expected 0 or more"));
    first[axis] = std::min(begin[axis], shape[axis]);
    shape[axis] = std::min(size[axis], shape[axis] - first[axis]);
  }
  if (x.layout() == Layout::coo) return slice_coo(x, first, std::move(shape));
  const size_t major = x.layout() == Layout::csr ? 0 : 1, minor = 1 - major;
  FERRY_ASSIGN_OR_RETURN(const SparseTensor rows, slice_major(x, first[major], first[major] + shape[major]));
  return slice_minor(rows, first[minor], first[minor] + shape[minor]);
}

}  // namespace ferry
