// The triangle that a structure leaves out.
#include <type_traits>

#include "ferry/sparse.h"
#include "formats/binsparse/assemble.h"

namespace ferry::binsparse {
namespace {

enum class Mirror : uint8_t { same, conjugate, negative };

Mirror mirror_of(Structure s) {
  switch (s) {
    case Structure::hermitian_lower:
    case Structure::hermitian_upper: return Mirror::conjugate;
    case Structure::skew_symmetric_lower:
    case Structure::skew_symmetric_upper: return Mirror::negative;
    case Structure::none:
    case Structure::symmetric_lower:
    case Structure::symmetric_upper: break;
  }
  return Mirror::same;
}

Status check_dtype(DType dtype, Structure structure) {
  const DTypeClass klass = dtype_class(dtype);
  const Mirror mirror = mirror_of(structure);
  if (mirror == Mirror::conjugate && klass != DTypeClass::kComplex) {
    return data_loss(concat("structure ", structure_name(structure), " needs complex values, these are ", dtype_name(dtype)));
  }
  if (mirror == Mirror::negative && klass != DTypeClass::kComplex && klass != DTypeClass::kFloat && klass != DTypeClass::kSigned) {
    return data_loss(concat("structure ", structure_name(structure), " needs values with a sign, these are ", dtype_name(dtype)));
  }
  return {};
}

// The element at (j, i) for one at (i, j); integers wrap as everywhere.
template <class T>
T mirrored(T value, Mirror mirror) {
  if (mirror == Mirror::same) return value;
  if constexpr (is_complex_v<T>) {
    return mirror == Mirror::conjugate ? std::conj(value) : -value;
  } else if constexpr (std::is_floating_point_v<T>) {
    return -value;
  } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(U{0} - static_cast<U>(value)));
  } else {
    return value;  // check_dtype() has refused
  }
}

Result<Tensor> expand_dense(const DenseTensor& x, Structure structure) {
  const auto n = static_cast<size_t>(x.shape()[0]);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(x.buffer().size()));
  const bool lower = is_lower(structure);
  const Mirror mirror = mirror_of(structure);
  visit_dtype(x.dtype(), [&]<class T>(TypeTag<T>) {
    const auto from = x.values<T>();
    const auto to = out.as<T>();
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        const bool stored = lower ? j <= i : j >= i;
        to[i * n + j] = stored ? from[i * n + j] : mirrored(from[j * n + i], mirror);
      }
    }
  });
  FERRY_ASSIGN_OR_RETURN(DenseTensor dense, DenseTensor::make(x.dtype(), x.shape(), std::move(out).freeze()));
  return Tensor(std::move(dense));
}

}  // namespace

Result<Tensor> expand_structure(Tensor stored, Structure structure, const AssembleOptions&) {
  FERRY_RETURN_IF_ERROR(check_dtype(dtype_of(stored), structure));
  if (const auto* dense = std::get_if<DenseTensor>(&stored)) return expand_dense(*dense, structure);
  const auto& x = std::get<SparseTensor>(stored);
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  FERRY_ASSIGN_OR_RETURN(const SparseTensor coo, to_layout(x, Layout::coo));
  const bool lower = is_lower(structure);
  const int64_t* at = coo.coordinates();
  const auto nnz = static_cast<size_t>(coo.nnz());
  size_t off_diagonal = 0;
  for (size_t i = 0; i < nnz; ++i) {
    const int64_t row = at[2 * i], column = at[2 * i + 1];
    if (lower ? column > row : column < row) {
      return data_loss(concat("entry ", i, " at [", row, ", ", column, "] lies in the triangle that structure ", structure_name(structure),
                              " leaves out"));
    }
    off_diagonal += row != column;
  }
  const size_t total = nnz + off_diagonal;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(2 * total));
  const auto to = indices.as<int64_t>();
  std::copy_n(at, 2 * nnz, to.begin());
  for (size_t i = 0, k = nnz; i < nnz; ++i) {
    if (at[2 * i] == at[2 * i + 1]) continue;
    to[2 * k] = at[2 * i + 1];
    to[2 * k++ + 1] = at[2 * i];
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer values, MutableBuffer::allocate(total * dtype_size(x.dtype())));
  const Mirror mirror = mirror_of(structure);
  visit_dtype(x.dtype(), [&]<class T>(TypeTag<T>) {
    const auto from = coo.values().values<T>();
    const auto into = values.as<T>();
    std::copy(from.begin(), from.end(), into.begin());
    for (size_t i = 0, k = nnz; i < nnz; ++i) {
      if (at[2 * i] != at[2 * i + 1]) into[k++] = mirrored(from[i], mirror);
    }
  });
  const auto count = static_cast<int64_t>(total);
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates, DenseTensor::make(DType::int64, Shape{count, 2}, std::move(indices).freeze()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor elements, DenseTensor::make(x.dtype(), Shape{count}, std::move(values).freeze()));
  FERRY_ASSIGN_OR_RETURN(const SparseTensor both, SparseTensor::coo(x.shape(), std::move(coordinates), std::move(elements)));
  FERRY_ASSIGN_OR_RETURN(SparseTensor sorted, sort(both));
  if (x.layout() == Layout::coo) return Tensor(std::move(sorted));
  const DType index = total <= INT32_MAX ? x.index_dtype() : DType::int64;
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, to_layout(sorted, x.layout(), index));
  return Tensor(std::move(out));
}

}  // namespace ferry::binsparse
