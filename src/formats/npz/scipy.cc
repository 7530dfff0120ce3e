#include "formats/npz/scipy.h"

#include <algorithm>
#include <limits>

namespace ferry::npz {
namespace {

constexpr DTypeSet kScipyDTypes =
    DTypeSet::of(DType::bool_, DType::int8, DType::int16, DType::int32, DType::int64, DType::uint8, DType::uint16, DType::uint32,
                 DType::uint64, DType::float16, DType::float32, DType::float64, DType::complex64, DType::complex128);

// Columns of [nnz, rank] coordinates as vectors (rank 2: row and col) or one [rank, nnz] array.
template <class Index>
Result<DenseTensor> columns_of(const SparseTensor& x, size_t first, size_t count, Shape shape) {
  const auto nnz = static_cast<size_t>(x.nnz());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<Index>(nnz * count));
  const auto to = out.as<Index>();
  const int64_t* const from = x.coordinates();  // null where there are none
  for (size_t axis = 0; axis < count; ++axis) {
    for (size_t i = 0; i < nnz; ++i) to[axis * nnz + i] = static_cast<Index>(from[i * x.rank() + first + axis]);
  }
  return DenseTensor::make(dtype_of<Index>(), std::move(shape), std::move(out).freeze());
}

Result<DenseTensor> columns(const SparseTensor& x, size_t first, size_t count, Shape shape) {
  // As SciPy: 32 bits where every axis fits them.
  const bool narrow = std::ranges::all_of(x.shape(), [](int64_t dim) { return dim <= std::numeric_limits<int32_t>::max(); });
  return narrow ? columns_of<int32_t>(x, first, count, std::move(shape)) : columns_of<int64_t>(x, first, count, std::move(shape));
}

}  // namespace

std::optional<std::string> scipy_obstacle(const SparseTensor& tensor) {
  if (!kScipyDTypes.has(tensor.dtype())) return concat("SciPy has no sparse arrays of ", dtype_name(tensor.dtype()));
  if (tensor.rank() == 0) return "SciPy has no sparse scalars";
  if (tensor.rank() > 64) return "NumPy has no arrays of more than 64 axes";
  return std::nullopt;
}

Result<std::vector<SpelledArray>> spell_scipy(const SparseTensor& x) {
  std::vector<SpelledArray> out;
  const int64_t nnz = x.nnz();
  if (x.layout() != Layout::coo) {
    out.push_back({"indices", x.indices()});
    out.push_back({"indptr", x.indptr()});
  } else {
    // Coordinates out of range would be cut to 32 bits in silence.
    FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
    if (x.rank() == 2) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor row, columns(x, 0, 1, Shape{nnz}));
      FERRY_ASSIGN_OR_RETURN(DenseTensor col, columns(x, 1, 1, Shape{nnz}));
      out.push_back({"row", std::move(row)});
      out.push_back({"col", std::move(col)});
    } else {
      FERRY_ASSIGN_OR_RETURN(DenseTensor coords, columns(x, 0, x.rank(), Shape{static_cast<int64_t>(x.rank()), nnz}));
      out.push_back({"coords", std::move(coords)});
    }
  }
  out.push_back({"format", DenseTensor::of_strings(Shape{}, {layout_name(x.layout())})});
  out.push_back({"shape", DenseTensor::vector<int64_t>(x.shape().dims())});
  out.push_back({"data", x.values()});
  out.push_back({"_is_array", DenseTensor::scalar(true)});
  return out;
}

}  // namespace ferry::npz
