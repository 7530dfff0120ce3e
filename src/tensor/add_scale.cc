// add and scale.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ferry/sparse.h"
#include "tensor/elements.h"
#include "tensor/numeric.h"

namespace ferry {

Status check_numeric(DType dtype, std::string_view what) {
  switch (dtype_class(dtype)) {
    case DTypeClass::kFloat:
    case DTypeClass::kSigned:
    case DTypeClass::kUnsigned:
    case DTypeClass::kComplex: return {};
    case DTypeClass::kQuantized:
      return unsupported(
          concat(what, " of ", dtype_name(dtype), " needs the scale and zero point, which a tensor does not carry; dequantize it first"));
    case DTypeClass::kBool: return unsupported(concat(what, " is not defined for bool; cast to a numeric dtype first"));
    case DTypeClass::kString:
    case DTypeClass::kOpaque: return unsupported(concat(what, " is not defined for ", dtype_name(dtype), "; it needs a numeric dtype"));
  }
  __builtin_unreachable();
}

namespace {

using elements::freeze;
using elements::visit_index;

constexpr int64_t kAbsent = -1;

// Where each entry of a union comes from: positions in a's and in b's values, or kAbsent.
struct Sources {
  MutableBuffer a, b;
  size_t count = 0;

  static Result<Sources> room(int64_t most) {
    Sources out;
    FERRY_ASSIGN_OR_RETURN(out.a, MutableBuffer::of<int64_t>(static_cast<size_t>(most)));
    FERRY_ASSIGN_OR_RETURN(out.b, MutableBuffer::of<int64_t>(static_cast<size_t>(most)));
    return out;
  }
  void push(int64_t from_a, int64_t from_b) {
    a.as<int64_t>()[count] = from_a;
    b.as<int64_t>()[count] = from_b;
    ++count;
  }
};

Result<DenseTensor> sum_values(const DenseTensor& a, const DenseTensor& b, Sources& sources, ThreadPool* pool) {
  return visit_numeric(a.dtype(), [&]<class T>(TypeTag<T>) -> Result<DenseTensor> {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<T>(sources.count));
    const T* x = static_cast<const T*>(a.raw());
    const T* y = static_cast<const T*>(b.raw());
    const int64_t* from_a = sources.a.as<int64_t>().data();
    const int64_t* from_b = sources.b.as<int64_t>().data();
    T* to = reinterpret_cast<T*>(out.data());
    const auto count = static_cast<int64_t>(sources.count);
    parallel_for(pool, count, 1 << 15, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        to[i] = from_a[i] == kAbsent   ? y[from_b[i]]
                : from_b[i] == kAbsent ? x[from_a[i]]
                                       : static_cast<T>(add_elements(to_arithmetic(x[from_a[i]]), to_arithmetic(y[from_b[i]])));
      }
    });
    return DenseTensor::make(a.dtype(), Shape{count}, std::move(out).freeze());
  });
}

int compare(const int64_t* a, const int64_t* b, size_t rank) {
  for (size_t axis = 0; axis < rank; ++axis) {
    if (a[axis] != b[axis]) return a[axis] < b[axis] ? -1 : 1;
  }
  return 0;
}

// Both canonical.
Result<SparseTensor> add_coo(const SparseTensor& a, const SparseTensor& b, ThreadPool* pool) {
  const size_t rank = a.rank();
  FERRY_ASSIGN_OR_RETURN(Sources sources, Sources::room(a.nnz() + b.nnz()));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(static_cast<size_t>(a.nnz() + b.nnz()) * rank));
  int64_t* to = indices.as<int64_t>().data();
  const int64_t *x = a.coordinates(), *y = b.coordinates();
  for (int64_t i = 0, j = 0; i < a.nnz() || j < b.nnz(); to += rank) {
    const int order = i == a.nnz() ? 1 : j == b.nnz() ? -1 : compare(x, y, rank);
    std::copy_n(order <= 0 ? x : y, rank, to);
    sources.push(order <= 0 ? i : kAbsent, order >= 0 ? j : kAbsent);
    if (order <= 0) ++i, x += rank;
    if (order >= 0) ++j, y += rank;
  }
  indices.truncate(sources.count * rank * sizeof(int64_t));
  const auto count = static_cast<int64_t>(sources.count);
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates, freeze<int64_t>(std::move(indices), Shape{count, static_cast<int64_t>(rank)}));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, sum_values(a.values(), b.values(), sources, pool));
  return SparseTensor::coo(a.shape(), std::move(coordinates), std::move(values), {true, true});
}

// Both canonical, of one layout and one index dtype.
Result<SparseTensor> add_compressed(const SparseTensor& a, const SparseTensor& b, ThreadPool* pool) {
  return visit_index(a.index_dtype(), [&]<class Index>(TypeTag<Index>) -> Result<SparseTensor> {
    const auto x_ends = a.indptr().values<Index>(), y_ends = b.indptr().values<Index>();
    const Index *x = a.indices().values<Index>().data(), *y = b.indices().values<Index>().data();
    FERRY_ASSIGN_OR_RETURN(Sources sources, Sources::room(a.nnz() + b.nnz()));
    FERRY_ASSIGN_OR_RETURN(MutableBuffer indptr, MutableBuffer::of<Index>(x_ends.size()));
    FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<Index>(static_cast<size_t>(a.nnz() + b.nnz())));
    Index* ends = indptr.as<Index>().data();
    Index* to = indices.as<Index>().data();
    ends[0] = 0;
    for (size_t row = 0; row + 1 < x_ends.size(); ++row) {
      Index i = x_ends[row], j = y_ends[row];
      while (i < x_ends[row + 1] || j < y_ends[row + 1]) {
        const bool take_x = j == y_ends[row + 1] || (i < x_ends[row + 1] && x[i] <= y[j]);
        const bool take_y = i == x_ends[row + 1] || (j < y_ends[row + 1] && y[j] <= x[i]);
        *to++ = take_x ? x[i] : y[j];
        sources.push(take_x ? i : kAbsent, take_y ? j : kAbsent);
        i = static_cast<Index>(i + take_x);
        j = static_cast<Index>(j + take_y);
      }
      ends[row + 1] = static_cast<Index>(sources.count);
    }
    indices.truncate(sources.count * sizeof(Index));
    FERRY_ASSIGN_OR_RETURN(DenseTensor new_indptr, freeze<Index>(std::move(indptr)));
    FERRY_ASSIGN_OR_RETURN(DenseTensor new_indices, freeze<Index>(std::move(indices)));
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, sum_values(a.values(), b.values(), sources, pool));
    return SparseTensor::compressed(a.layout(), a.shape(), std::move(new_indptr), std::move(new_indices), std::move(values), {true, true});
  });
}

Result<SparseTensor> canonical(const SparseTensor& x, ThreadPool* pool) {
  if (x.order().sorted && x.order().unique) return x;
  return coalesce(x, Duplicates::sum, pool);
}

}  // namespace

Result<SparseTensor> add(const SparseTensor& a, const SparseTensor& b, ThreadPool* pool) {
  FERRY_RETURN_IF_ERROR(check_numeric(a.dtype(), "adding"));
  if (a.dtype() != b.dtype()) return invalid_argument(concat("cannot add ", dtype_name(b.dtype()), " to ", dtype_name(a.dtype())));
  if (a.shape() != b.shape()) {
    return invalid_argument(concat("cannot add shape ", b.shape().to_string(), " to shape ", a.shape().to_string()));
  }
  if (b.layout() != a.layout()) {
    FERRY_ASSIGN_OR_RETURN(const SparseTensor converted, to_layout(b, a.layout(), std::nullopt, pool));
    return add(a, converted, pool);
  }
  FERRY_ASSIGN_OR_RETURN(SparseTensor x, canonical(a, pool));
  FERRY_ASSIGN_OR_RETURN(SparseTensor y, canonical(b, pool));
  if (a.layout() == Layout::coo) return add_coo(x, y, pool);
  const bool narrow =
      x.index_dtype() == DType::int32 && y.index_dtype() == DType::int32 && x.nnz() + y.nnz() <= std::numeric_limits<int32_t>::max();
  const DType index = narrow ? DType::int32 : DType::int64;
  FERRY_ASSIGN_OR_RETURN(x, with_index_dtype(x, index));
  FERRY_ASSIGN_OR_RETURN(y, with_index_dtype(y, index));
  return add_compressed(x, y, pool);
}

Result<SparseTensor> scale(const SparseTensor& x, double factor) {
  FERRY_RETURN_IF_ERROR(check_numeric(x.dtype(), "scaling"));
  return visit_numeric(x.dtype(), [&]<class T>(TypeTag<T>) -> Result<SparseTensor> {
    using A = Arithmetic<T>;
    A by;
    if constexpr (std::is_integral_v<A>) {
      // Exact as a double: one past the largest A.
      constexpr double kBeyond = 2.0 * static_cast<double>(uint64_t{1} << (std::numeric_limits<A>::digits - 1));
      constexpr double kBelow = std::is_signed_v<A> ? -kBeyond : 0.0;
      if (!(factor >= kBelow && factor < kBeyond) || factor != std::trunc(factor)) {
        return invalid_argument(
            concat("the factor ", factor, " is no ", dtype_name(x.dtype()), "; cast the tensor to a float dtype first"));
      }
      by = static_cast<A>(factor);
    } else if constexpr (is_complex_v<A>) {
      by = A(static_cast<typename A::value_type>(factor));
    } else {
      by = static_cast<A>(factor);
    }
    const auto count = static_cast<size_t>(x.nnz());
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<T>(count));
    const T* from = static_cast<const T*>(x.values().raw());
    T* to = reinterpret_cast<T*>(out.data());
    for (size_t i = 0; i < count; ++i) {
      if constexpr (is_complex_v<A>) {
        to[i] = from[i] * by.real();
      } else {
        to[i] = static_cast<T>(multiply_elements(to_arithmetic(from[i]), by));
      }
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, DenseTensor::make(x.dtype(), x.values().shape(), std::move(out).freeze()));
    return x.with_values(std::move(values));
  });
}

}  // namespace ferry
