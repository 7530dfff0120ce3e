// Sums, extremes and products of sparse tensors with one another and with dense ones, entry by entry: SparseAdd, SparseTensorDenseAdd,
// SparseDenseCwiseAdd/Mul/Div, SparseSparseMaximum/Minimum, SparseSoftmax.
#include <algorithm>
#include <cmath>

#include "ops/coo.h"
#include "ops/elementwise.h"
#include "tensor/elements.h"

namespace ferry::ops {
namespace {

template <class A>
A plus(A a, A b) {
  return wrapping(a, b, [](auto x, auto y) { return x + y; });
}

// Walks two sorted lists of entries as one: f(i, j) for the entry of each coordinate in a, in b, or in both (-1: not there).
template <class F>
void walk(const Coo& a, const Coo& b, F&& f) {
  int64_t i = 0, j = 0;
  while (i < a.nnz || j < b.nnz) {
    const int order = i == a.nnz ? 1 : j == b.nnz ? -1 : compare_rows(a.row(i), b.row(j), a.rank);
    f(order <= 0 ? i : -1, order >= 0 ? j : -1);
    i += order <= 0 ? 1 : 0;
    j += order >= 0 ? 1 : 0;
  }
}

Status put_rows(Call& call, const Coo& a, const Coo& b, std::span<const std::pair<int64_t, int64_t>> pairs) {
  FERRY_ASSIGN_OR_RETURN(const auto rows,
                         call.make<int64_t>(0, DType::int64, Shape{static_cast<int64_t>(pairs.size()), static_cast<int64_t>(a.rank)}));
  int64_t* to = rows.data();
  for (const auto& [i, j] : pairs) to = std::copy_n(i >= 0 ? a.row(i) : b.row(j), a.rank, to);
  return {};
}

// ---- SparseAdd: a, b, and the magnitude below which a sum of two is dropped

template <class T>
bool is_kept(T sum, const DenseTensor& least) {
  if constexpr (is_complex_v<T>) {
    return std::abs(sum) >= least.values<typename T::value_type>()[0];
  } else if constexpr (std::is_integral_v<T>) {
    const T magnitude = sum < 0 ? static_cast<T>(0u - static_cast<std::make_unsigned_t<T>>(sum)) : sum;
    return magnitude >= least.values<T>()[0];
  } else {
    return std::abs(sum) >= least.values<T>()[0];
  }
}

template <class T>
Status add(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Coo a, coo_input(call, 0, 1, 2));
  FERRY_ASSIGN_OR_RETURN(const Coo b, coo_input(call, 3, 4, 5));
  if (!is_scalar(call.shape(6)))
    return invalid_argument(concat("The magnitude threshold must be a scalar: got shape ", call.shape(6).to_string()));
  if (a.shape != b.shape)
    return invalid_argument(concat("Operands' shapes do not match: ", a.shape.to_string(), " vs. ", b.shape.to_string()));
  const auto x = call.values<T>(1), y = call.values<T>(4);
  std::vector<std::pair<int64_t, int64_t>> pairs;
  std::vector<T> sums;
  walk(a, b, [&](int64_t i, int64_t j) {
    const T sum = j < 0   ? x[static_cast<size_t>(i)]
                  : i < 0 ? y[static_cast<size_t>(j)]
                          : plus(x[static_cast<size_t>(i)], y[static_cast<size_t>(j)]);
    if (i >= 0 && j >= 0 && !is_kept(sum, call.in(6))) return;
    pairs.emplace_back(i, j);
    sums.push_back(sum);
  });
  FERRY_RETURN_IF_ERROR(put_rows(call, a, b, pairs));
  call.set(1, DenseTensor::vector<T>(sums));
  call.pass(2, 2);
  return {};
}

// ---- SparseSparseMaximum, Minimum: a coordinate that one side has not counts as zero there

template <bool kLargest, class T>
Status extreme(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Coo a, coo_input(call, 0, 1, 2));
  FERRY_ASSIGN_OR_RETURN(const Coo b, coo_input(call, 3, 4, 5));
  if (a.shape != b.shape)
    return invalid_argument(concat("Operands' shapes do not match: got ", a.shape.to_string(), " and ", b.shape.to_string()));
  const auto x = call.values<T>(1), y = call.values<T>(4);
  std::vector<std::pair<int64_t, int64_t>> pairs;
  walk(a, b, [&](int64_t i, int64_t j) { pairs.emplace_back(i, j); });
  FERRY_RETURN_IF_ERROR(put_rows(call, a, b, pairs));
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(1, dtype_of<T>(), Shape{static_cast<int64_t>(pairs.size())}));
  for (size_t k = 0; k < pairs.size(); ++k) {
    const T left = pairs[k].first < 0 ? T{} : x[static_cast<size_t>(pairs[k].first)],
            right = pairs[k].second < 0 ? T{} : y[static_cast<size_t>(pairs[k].second)];
    const bool less = load(left) < load(right);
    out[k] = kLargest ? (less ? right : left) : (load(right) < load(left) ? right : left);
  }
  return {};
}

// ---- SparseTensorDenseAdd: indices, values, shape of int32 or int64, and b

template <class T>
Status add_dense(Call& call) {
  const DenseTensor &indices = call.in(0), &values = call.in(1), &b = call.in(3);
  if (indices.shape().rank() != 2)
    return invalid_argument(concat("Input a_indices should be a matrix but received shape: ", indices.shape().to_string()));
  if (!is_vector(values.shape()) || !is_vector(call.shape(2))) return invalid_argument("Inputs a_values and a_shape should be vectors");
  if (values.num_elements() != indices.shape()[0]) return invalid_argument("Dimensions of a_values and a_indices differ");
  FERRY_ASSIGN_OR_RETURN(const Shape shape, call.shape_value(2));
  if (shape.rank() != b.shape().rank() || static_cast<size_t>(indices.shape()[1]) != shape.rank()) {
    return invalid_argument(concat("Two operands have different ranks; received: ", shape.rank(), " and ", b.shape().rank()));
  }
  if (shape != b.shape())
    return invalid_argument(concat("a's shape ", shape.to_string(), " does not match b's shape ", b.shape().to_string()));
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> numbers, call.integers(0));
  Coo x;
  x.indices = numbers;
  x.rank = shape.rank();
  x.nnz = values.num_elements();
  x.shape = shape;
  FERRY_RETURN_IF_ERROR(x.check_range());
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(0, dtype_of<T>(), shape));
  std::ranges::copy(b.values<T>(), out.begin());
  for (int64_t i = 0; i < x.nnz; ++i) {
    int64_t at = 0;
    for (size_t axis = 0; axis < x.rank; ++axis) at = at * shape[axis] + x.row(i)[axis];
    T& to = out[static_cast<size_t>(at)];
    to = store<T>(plus(load(to), load(values.values<T>()[static_cast<size_t>(i)])));
  }
  return {};
}

// ---- SparseDenseCwise*: a dense side that broadcasts to the sparse one; the result has the sparse one's entries

struct Plus {
  template <class A>
  static A apply(A a, A b, Status&) {
    return plus(a, b);
  }
};
struct Times {
  template <class A>
  static A apply(A a, A b, Status&) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
};
struct Over {
  template <class A>
  static A apply(A a, A b, Status& status) {
    if constexpr (std::is_integral_v<A>) {
      if (b == 0) {
        status = invalid_argument("Integer division by zero");
        return 0;
      }
      if constexpr (std::is_signed_v<A>) {
        if (b == -1) return static_cast<A>(0u - static_cast<Wrapping<A>>(a));
      }
      return static_cast<A>(a / b);
    } else {
      return a / b;
    }
  }
};

template <class F, class T>
Status with_dense(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1, 2));
  const DenseTensor& dense = call.in(3);
  const size_t rank = x.rank, inner = dense.shape().rank();
  if (x.nnz == 0 && inner > rank) return invalid_argument("SparseDenseBinaryOpShared broadcasts dense to sparse only");
  if (inner > rank)
    return invalid_argument(concat("SparseDenseBinaryOpShared broadcasts dense to sparse only; got incompatible shapes: ",
                                   x.shape.to_string(), " and ", dense.shape().to_string()));
  // Elements from one coordinate of an axis to the next; 0 where the dense side is repeated.
  std::vector<int64_t> steps(rank, 0);
  int64_t step = 1;
  for (size_t axis = inner; axis-- > 0;) {
    const int64_t here = dense.shape()[axis], there = x.shape[rank - inner + axis];
    if (here != there && here != 1) {
      return invalid_argument(concat("SparseDenseBinaryOpShared broadcasts dense to sparse only; got incompatible shapes: ",
                                     x.shape.to_string(), " and ", dense.shape().to_string()));
    }
    steps[rank - inner + axis] = here == 1 ? 0 : step;
    step *= here;
  }
  FERRY_RETURN_IF_ERROR(x.check_range());
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(0, dtype_of<T>(), Shape{x.nnz}));
  const auto values = call.values<T>(1), other = dense.values<T>();
  Status status;
  for (int64_t i = 0; i < x.nnz; ++i) {
    int64_t at = 0;
    for (size_t axis = 0; axis < rank; ++axis) at += x.row(i)[axis] * steps[axis];
    const auto k = static_cast<size_t>(i);
    out[k] = store<T>(F::apply(load(values[k]), load(other[static_cast<size_t>(at)]), status));
  }
  return status;
}

// ---- SparseSoftmax: over the entries of each row of the last axis

template <class T>
Status softmax(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1, 2));
  if (x.rank < 2) return invalid_argument(concat("Input should have rank >= 2, got rank ", x.rank));
  FERRY_RETURN_IF_ERROR(x.check_range());
  if (!x.is_sorted(false)) return invalid_argument("indices are out of order: many sparse ops require sorted indices");
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(0, dtype_of<T>(), Shape{x.nnz}));
  const auto values = call.values<T>(1);
  using A = decltype(load(T{}));
  for (int64_t begin = 0, end = 0; begin < x.nnz; begin = end) {
    while (end < x.nnz && compare_rows(x.row(begin), x.row(end), x.rank - 1) == 0) ++end;
    A most = load(values[static_cast<size_t>(begin)]), sum{};
    for (int64_t i = begin; i < end; ++i) most = std::max(most, load(values[static_cast<size_t>(i)]));
    for (int64_t i = begin; i < end; ++i) {
      const A power = std::exp(load(values[static_cast<size_t>(i)]) - most);
      out[static_cast<size_t>(i)] = store<T>(power);
      sum += power;
    }
    for (int64_t i = begin; i < end; ++i) {
      T& to = out[static_cast<size_t>(i)];
      to = store<T>(std::exp(load(values[static_cast<size_t>(i)]) - most) / sum);
    }
  }
  return {};
}

using Added = Types<float, double, int8_t, int16_t, int32_t, int64_t, std::complex<float>, std::complex<double>>;

Result<KernelRef> make_add(const NodeInfo& node) {
  KernelRef out;
  with_type(node.type("T"), Added{}, [&]<class T>(TypeTag<T>) {
    if constexpr (is_complex_v<T>) {
      if (node.type("Treal") != dtype_of<typename T::value_type>()) return;
    } else {
      if (node.type("Treal") != dtype_of<T>()) return;
    }
    out = std::make_unique<FreeKernel<add<T>>>();
  });
  if (out == nullptr) return no_kernel(node.op(), node.type("T"));
  return out;
}

#define FERRY_MAKE_FREE(make, kernel, list)                                                                        \
  Result<KernelRef> make(const NodeInfo& node) {                                                                   \
    KernelRef out;                                                                                                 \
    with_type(node.type("T"), list{}, [&]<class T>(TypeTag<T>) { out = std::make_unique<FreeKernel<kernel>>(); }); \
    if (out == nullptr) return no_kernel(node.op(), node.type("T"));                                               \
    return out;                                                                                                    \
  }
#define FERRY_TWO(a, b) a, b
using Softened = Types<Half, float, double>;
FERRY_MAKE_FREE(make_add_dense, add_dense<T>, Numbers)
FERRY_MAKE_FREE(make_softmax, softmax<T>, Softened)
FERRY_MAKE_FREE(make_maximum, FERRY_TWO(extreme<true, T>), Reals)
FERRY_MAKE_FREE(make_minimum, FERRY_TWO(extreme<false, T>), Reals)
FERRY_MAKE_FREE(make_cwise_add, FERRY_TWO(with_dense<Plus, T>), Reals)
FERRY_MAKE_FREE(make_cwise_mul, FERRY_TWO(with_dense<Times, T>), Reals)
FERRY_MAKE_FREE(make_cwise_div, FERRY_TWO(with_dense<Over, T>), Reals)

}  // namespace

#define FERRY_SPARSE_OP(op, make) \
  extern const Op op##_op;        \
  const Op op##_op { #op, make }

FERRY_SPARSE_OP(SparseAdd, make_add);
FERRY_SPARSE_OP(SparseTensorDenseAdd, make_add_dense);
FERRY_SPARSE_OP(SparseSoftmax, make_softmax);
FERRY_SPARSE_OP(SparseSparseMaximum, make_maximum);
FERRY_SPARSE_OP(SparseSparseMinimum, make_minimum);
FERRY_SPARSE_OP(SparseDenseCwiseAdd, make_cwise_add);
FERRY_SPARSE_OP(SparseDenseCwiseMul, make_cwise_mul);
FERRY_SPARSE_OP(SparseDenseCwiseDiv, make_cwise_div);

}  // namespace ferry::ops
