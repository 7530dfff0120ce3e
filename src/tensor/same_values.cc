// Equality by what a tensor means, not by how it is stored.
#include <algorithm>

#include "ferry/sparse.h"
#include "tensor/arithmetic.h"

namespace ferry {
namespace {

// Row-major COO with one entry a coordinate. Duplicates add up; where a dtype knows no sum, the last one counts.
Result<SparseTensor> canonical(const SparseTensor& x) {
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  FERRY_ASSIGN_OR_RETURN(const SparseTensor coo, to_layout(x, Layout::coo));
  Result<SparseTensor> summed = coalesce(coo, Duplicates::sum);
  return summed.ok() ? summed : coalesce(coo, Duplicates::last);
}

// Walks both lists of entries, passing over zeros.
template <class Value, class IsZero, class Equal>
bool same_entries(const SparseTensor& a, const SparseTensor& b, Value value, IsZero zero, Equal equal) {
  const size_t rank = a.rank();
  const int64_t *p = a.coordinates(), *q = b.coordinates();
  int64_t i = 0, j = 0;
  for (;; ++i, ++j) {
    while (i < a.nnz() && zero(value(a, i))) ++i;
    while (j < b.nnz() && zero(value(b, j))) ++j;
    if (i == a.nnz() || j == b.nnz()) return i == a.nnz() && j == b.nnz();
    const int64_t* at = p + static_cast<size_t>(i) * rank;
    if (!std::equal(at, at + rank, q + static_cast<size_t>(j) * rank) || !equal(value(a, i), value(b, j))) return false;
  }
}

}  // namespace

bool same_values(const SparseTensor& a, const SparseTensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const Result<SparseTensor> x = canonical(a), y = canonical(b);
  if (!x.ok() || !y.ok()) return false;
  if (a.values().is_string()) {
    return same_entries(
        *x, *y, [](const SparseTensor& t, int64_t i) { return t.values().strings()[i]; },
        [](std::string_view text) { return text.empty(); }, [](std::string_view s, std::string_view t) { return s == t; });
  }
  return visit_element(a.dtype(), [&]<class Tag>(Tag) {
    using T = typename Tag::type;
    return same_entries(
        *x, *y, [](const SparseTensor& t, int64_t i) { return static_cast<const T*>(t.values().raw())[i]; }, is_zero<T>,
        [](T s, T t) { return is_nan(s) ? is_nan(t) : to_arithmetic(s) == to_arithmetic(t); });
  });
}

}  // namespace ferry
