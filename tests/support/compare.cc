#include "support/compare.h"

#include <cstring>

#include "ferry/sparse.h"

namespace ferry::testing_support {
namespace {

template <class T>
bool same_element(T a, T b) {
  if constexpr (is_complex_v<T>) {
    return same_element(a.real(), b.real()) && same_element(a.imag(), b.imag());
  } else {
    const auto x = to_arithmetic(a), y = to_arithmetic(b);
    return x == y || (x != x && y != y);
  }
}

std::string dense_difference(const DenseTensor& a, const DenseTensor& b) {
  if (a.shape() != b.shape()) return concat("shape ", a.shape().to_string(), " against ", b.shape().to_string());
  if (a.is_string()) {
    for (int64_t i = 0; i < a.num_elements(); ++i) {
      if (a.strings()[i] != b.strings()[i]) return concat("element ", i, ": ", quoted(a.strings()[i]), " against ", quoted(b.strings()[i]));
    }
    return "";
  }
  return visit_dtype(a.dtype(), [&](auto tag) -> std::string {
    using T = typename decltype(tag)::type;
    const auto x = a.values<T>(), y = b.values<T>();
    for (size_t i = 0; i < x.size(); ++i) {
      if (!same_element(x[i], y[i])) return concat("element ", i, " differs");
    }
    return "";
  });
}

}  // namespace

std::string difference(const Tensor& a, const Tensor& b) {
  if (dtype_of(a) != dtype_of(b)) return concat("dtype ", dtype_name(dtype_of(a)), " against ", dtype_name(dtype_of(b)));
  if (a.index() != b.index()) return concat("kind ", kind_name(kind_of(a)), " against ", kind_name(kind_of(b)));
  if (const auto* x = std::get_if<DenseTensor>(&a)) return dense_difference(*x, std::get<DenseTensor>(b));
  if (const auto* x = std::get_if<SparseTensor>(&a)) {
    const auto& y = std::get<SparseTensor>(b);
    if (x->shape() != y.shape()) return concat("shape ", x->shape().to_string(), " against ", y.shape().to_string());
    return same_values(*x, y) ? "" : "some value differs";
  }
  const auto& x = std::get<RaggedTensor>(a);
  const auto& y = std::get<RaggedTensor>(b);
  if (x.ragged_rank() != y.ragged_rank()) return concat(x.ragged_rank(), " ragged levels against ", y.ragged_rank());
  for (size_t level = 0; level < x.ragged_rank(); ++level) {
    const auto& s = x.row_splits(level);
    const auto& t = y.row_splits(level);
    if (s.dtype() != t.dtype()) return "row_splits dtypes differ";
    if (std::string d = dense_difference(s, t); !d.empty()) return concat("row_splits ", level, ": ", d);
  }
  return dense_difference(x.flat_values(), y.flat_values());
}

std::string difference(const TensorMap& a, const TensorMap& b) {
  if (a.size() != b.size()) return concat(a.size(), " tensors against ", b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const auto* other = a.size() == 1 ? &b[0] : b.find(a[i].name);
    if (other == nullptr) return concat(quoted(a[i].name), " is missing");
    if (std::string d = difference(a[i].tensor, other->tensor); !d.empty()) return concat(quoted(a[i].name), ": ", d);
  }
  return "";
}

}  // namespace ferry::testing_support
