// The three levels of validation, for sparse and ragged tensors.
#include "ferry/sparse.h"
#include "ferry/tensor.h"

namespace ferry {
namespace {

std::string coordinate(const int64_t* at, size_t rank) { return Shape(std::span(at, rank)).to_string(); }

// Whether any coordinate of a matrix is outside; no branch on the data, so that it runs at the speed of memory.
bool any_outside(const int64_t* at, int64_t entries, uint64_t rows, uint64_t columns) {
  uint64_t outside = 0;
  for (int64_t i = 0; i < entries; ++i) {
    // One comparison finds both the negative and the too large.
    outside |= uint64_t{static_cast<uint64_t>(at[2 * i]) >= rows} | uint64_t{static_cast<uint64_t>(at[2 * i + 1]) >= columns};
  }
  return outside != 0;
}

Status check_coo_bounds(const SparseTensor& x) {
  const size_t rank = x.rank();
  const int64_t* at = x.coordinates();
  if (rank == 2 && !any_outside(at, x.nnz(), static_cast<uint64_t>(x.shape()[0]), static_cast<uint64_t>(x.shape()[1]))) return {};
  const Shape& shape = x.shape();
  for (int64_t i = 0; i < x.nnz(); ++i, at += rank) {
    for (size_t axis = 0; axis < rank; ++axis) {
      if (static_cast<uint64_t>(at[axis]) >= static_cast<uint64_t>(shape[axis])) [[unlikely]] {
        return invalid_argument(concat("entry ", i, " is at ", coordinate(at, rank), ", outside shape ", shape.to_string()));
      }
    }
  }
  return {};
}

template <class Index>
Status check_compressed_bounds(const SparseTensor& x) {
  const auto indptr = x.indptr().values<Index>();
  const auto indices = x.indices().values<Index>();
  const bool csr = x.layout() == Layout::csr;
  const std::string_view major = csr ? "row" : "column", minor = csr ? "column" : "row";
  const int64_t width = x.shape()[csr ? 1 : 0];
  if (indptr[0] != 0) return invalid_argument(concat("indptr starts at ", indptr[0], ", expected 0"));
  for (size_t i = 1; i < indptr.size(); ++i) {
    if (indptr[i] < indptr[i - 1]) {
      return invalid_argument(concat("indptr falls from ", indptr[i - 1], " to ", indptr[i], " at ", major, " ", i - 1));
    }
  }
  if (static_cast<int64_t>(indptr.back()) != x.nnz()) {
    return invalid_argument(concat("indptr ends at ", indptr.back(), ", expected the number of values, ", x.nnz()));
  }
  for (size_t i = 0; i < indices.size(); ++i) {
    if (static_cast<uint64_t>(static_cast<int64_t>(indices[i])) >= static_cast<uint64_t>(width)) [[unlikely]] {
      return invalid_argument(concat("entry ", i, " is in ", minor, " ", indices[i], ", outside shape ", x.shape().to_string()));
    }
  }
  return {};
}

template <class Split>
Status check_splits(const DenseTensor& tensor, size_t level, int64_t end) {
  const auto splits = tensor.values<Split>();
  if (splits[0] != 0) return invalid_argument(concat("row_splits at level ", level, " start at ", splits[0], ", expected 0"));
  for (size_t i = 1; i < splits.size(); ++i) {
    if (splits[i] < splits[i - 1]) {
      return invalid_argument(concat("row_splits at level ", level, " fall from ", splits[i - 1], " to ", splits[i], " at row ", i - 1));
    }
  }
  if (static_cast<int64_t>(splits.back()) != end) {
    return invalid_argument(
        concat("row_splits at level ", level, " end at ", splits.back(), ", expected ", end, ", the number of rows or values they cut"));
  }
  return {};
}

}  // namespace

Status SparseTensor::validate(Validation level) const {
  if (level == Validation::trust) return {};
  if (layout_ == Layout::coo) {
    FERRY_RETURN_IF_ERROR(check_coo_bounds(*this));
  } else if (index_dtype() == DType::int32) {
    FERRY_RETURN_IF_ERROR(check_compressed_bounds<int32_t>(*this));
  } else {
    FERRY_RETURN_IF_ERROR(check_compressed_bounds<int64_t>(*this));
  }
  if (level == Validation::bounds) return {};
  const Order order = order_.sorted && order_.unique ? order_ : find_order(*this);
  if (!order.sorted) return invalid_argument("entries are not in row-major order; sort them (--sort)");
  if (!order.unique) return invalid_argument("a coordinate has more than one entry; coalesce them (--coalesce sum)");
  return {};
}

Status RaggedTensor::validate(Validation level) const {
  if (level == Validation::trust) return {};
  for (size_t i = 0; i < splits_.size(); ++i) {
    const int64_t end = i + 1 < splits_.size() ? splits_[i + 1].num_elements() - 1 : values_.shape()[0];
    if (splits_dtype() == DType::int32) {
      FERRY_RETURN_IF_ERROR(check_splits<int32_t>(splits_[i], i, end));
    } else {
      FERRY_RETURN_IF_ERROR(check_splits<int64_t>(splits_[i], i, end));
    }
  }
  return {};
}

}  // namespace ferry
