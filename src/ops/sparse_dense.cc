// Sparse tensors that become or meet dense ones: SparseToDense, SparseTensorDenseMatMul, SparseMatMul.
#include <algorithm>
#include <cstring>

#include "ops/coo.h"
#include "ops/elementwise.h"
#include "tensor/elements.h"

namespace ferry::ops {
namespace {

// ---- SparseToDense: indices (scalar, vector or matrix), shape, values (scalar or vector), default

class ToDenseKernel final : public Kernel {
 public:
  explicit ToDenseKernel(bool validate) : validate_(validate) {}

  Status run(Call& call) const override {
    const DenseTensor &given = call.in(0), &wanted = call.in(1), &values = call.in(2), &otherwise = call.in(3);
    if (given.shape().rank() > 2) {
      return invalid_argument(concat("sparse_indices should be a scalar, vector, or matrix, got shape ", given.shape().to_string()));
    }
    const int64_t entries = given.shape().rank() > 0 ? given.shape()[0] : 1, rank = given.shape().rank() > 1 ? given.shape()[1] : 1;
    if (!is_vector(wanted.shape()) || wanted.num_elements() != rank) {
      return invalid_argument(concat("output_shape has incorrect number of elements: ", wanted.num_elements(), " should be: ", rank));
    }
    if (values.shape().rank() > 1 || (values.shape().rank() == 1 && values.num_elements() != entries)) {
      return invalid_argument(
          concat("sparse_values has incorrect shape ", values.shape().to_string(), ", should be [] or [", entries, "]"));
    }
    if (!is_scalar(otherwise.shape())) return invalid_argument("default_value should be a scalar.");
    FERRY_ASSIGN_OR_RETURN(const Shape shape, call.shape_value(1));
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> indices, call.integers(0));
    Coo x;
    x.indices = indices;
    x.rank = static_cast<size_t>(rank);
    x.nnz = entries;
    x.shape = shape;
    FERRY_RETURN_IF_ERROR(x.check_range());
    for (int64_t i = 1; validate_ && i < entries; ++i) {
      const int order = compare_rows(x.row(i - 1), x.row(i), x.rank);
      if (order > 0) return invalid_argument(concat("indices[", i, "] is out of order. Many sparse ops require sorted indices."));
      if (order == 0) return invalid_argument(concat("indices[", i, "] is repeated"));
    }
    const auto at = [&](int64_t i) {
      int64_t out = 0;
      for (size_t axis = 0; axis < x.rank; ++axis) out = out * shape[axis] + x.row(i)[axis];
      return static_cast<size_t>(out);
    };
    const int64_t step = values.shape().rank();  // 0: one value for all
    if (values.is_string()) return strings(call, shape, entries, step, at);
    FERRY_ASSIGN_OR_RETURN(std::byte* const data, call.make(0, values.dtype(), shape));
    visit_width(dtype_size(values.dtype()), [&]<class T>(TypeTag<T>) {
      T* const to = reinterpret_cast<T*>(data);
      std::fill_n(to, *shape.num_elements(), *static_cast<const T*>(otherwise.raw()));
      const T* const from = static_cast<const T*>(values.raw());
      for (int64_t i = 0; i < entries; ++i) to[at(i)] = from[i * step];
    });
    return {};
  }

 private:
  template <class At>
  static Status strings(Call& call, const Shape& shape, int64_t entries, int64_t step, At&& at) {
    const int64_t count = *shape.num_elements();
    // The default stands before the values.
    FERRY_ASSIGN_OR_RETURN(const DenseTensor first, call.in(3).reshaped(Shape{1}));
    FERRY_ASSIGN_OR_RETURN(const DenseTensor rest, call.in(2).reshaped(Shape{call.in(2).num_elements()}));
    if (static_cast<uint64_t>(count) > call.run().limits.max_tensor_bytes / sizeof(int64_t))
      return limit_exceeded(concat("a result of strings ", shape.to_string()));
    FERRY_ASSIGN_OR_RETURN(MutableBuffer from, MutableBuffer::zeroed(static_cast<size_t>(count) * sizeof(int64_t)));
    for (int64_t i = 0; i < entries; ++i) from.as<int64_t>()[at(i)] = 1 + i * step;
    const DenseTensor parts[] = {first, rest};
    FERRY_ASSIGN_OR_RETURN(const DenseTensor joined, elements::join(parts));
    FERRY_ASSIGN_OR_RETURN(const DenseTensor flat, elements::take(joined, from.as<int64_t>()));
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, flat.reshaped(shape));
    call.set(0, std::move(out));
    return {};
  }

  bool validate_;
};

Result<KernelRef> make_to_dense(const NodeInfo& node) { return KernelRef(std::make_unique<ToDenseKernel>(node.flag("validate_indices"))); }

// ---- SparseTensorDenseMatMul: a_indices [nnz, 2], a_values, a_shape, b [k, n]

template <class A>
A conjugate(A value) {
  if constexpr (is_complex_v<A>) return std::conj(value);
  return value;
}

struct Product {
  const DenseTensor& values;
  const DenseTensor& b;
  std::span<const int64_t> indices;
  bool adjoint_a, adjoint_b;
  int64_t rows, inner, columns;
};

template <class T>
Status multiply(Call& call, const Product& p) {
  using A = decltype(load(T{}));
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(0, dtype_of<T>(), Shape{p.rows, p.columns}));
  const std::span<const T> values = p.values.values<T>();
  const T* const b = p.b.values<T>().data();
  const auto columns = static_cast<size_t>(p.columns);
  // Sums of the small floats are made in float, and rounded once.
  std::vector<A> wide;
  A* sums;
  if constexpr (std::is_same_v<A, T>) {
    sums = out.data();
    std::fill(out.begin(), out.end(), T{});
  } else {
    wide.resize(out.size());
    sums = wide.data();
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if ((i & 0xffff) == 0xffff) FERRY_RETURN_IF_ERROR(call.run().check());
    const int64_t m = p.indices[2 * i + (p.adjoint_a ? 1 : 0)], k = p.indices[2 * i + (p.adjoint_a ? 0 : 1)];
    if (k < 0 || k >= p.inner)
      return invalid_argument(concat("k (", k, ") from index[", i, ",", p.adjoint_a ? 0 : 1, "] out of bounds (>=", p.inner, ")"));
    if (m < 0 || m >= p.rows)
      return invalid_argument(concat("m (", m, ") from index[", i, ",", p.adjoint_a ? 1 : 0, "] out of bounds (>=", p.rows, ")"));
    const A value = p.adjoint_a ? conjugate(load(values[i])) : load(values[i]);
    A* const to = sums + static_cast<size_t>(m) * columns;
    const auto add = [&](A& sum, A factor) {
      sum = wrapping(sum, wrapping(value, factor, [](auto x, auto y) { return x * y; }), [](auto x, auto y) { return x + y; });
    };
    if (p.adjoint_b) {
      for (size_t n = 0; n < columns; ++n) add(to[n], conjugate(load(b[n * static_cast<size_t>(p.inner) + static_cast<size_t>(k)])));
    } else {
      const T* const row = b + static_cast<size_t>(k) * columns;
      for (size_t n = 0; n < columns; ++n) add(to[n], load(row[n]));
    }
  }
  if constexpr (!std::is_same_v<A, T>) std::ranges::transform(wide, out.begin(), [](A sum) { return store<T>(sum); });
  return {};
}

class SparseTimesDense final : public Kernel {
 public:
  using Loop = Status (*)(Call&, const Product&);
  SparseTimesDense(Loop loop, bool a, bool b) : loop_(loop), adjoint_a_(a), adjoint_b_(b) {}

  Status run(Call& call) const override {
    const DenseTensor &indices = call.in(0), &values = call.in(1), &shape = call.in(2), &b = call.in(3);
    if (b.shape().rank() != 2) return invalid_argument(concat("Tensor 'b' is not a matrix, its shape is ", b.shape().to_string()));
    if (!is_vector(shape.shape()) || shape.num_elements() != 2) return invalid_argument("Tensor 'a_shape' must have 2 elements");
    if (!is_vector(values.shape())) return invalid_argument("Tensor 'a_values' is not a vector");
    if (indices.shape().rank() != 2 || indices.shape()[1] != 2) return invalid_argument("Tensor 'a_indices' must be a matrix of 2 columns");
    if (indices.shape()[0] != values.num_elements())
      return invalid_argument("Number of rows of a_indices does not match number of entries in a_values");
    const auto dims = shape.values<int64_t>();
    const int64_t rows = dims[adjoint_a_ ? 1 : 0], inner = dims[adjoint_a_ ? 0 : 1];
    const int64_t columns = b.shape()[adjoint_b_ ? 0 : 1], other = b.shape()[adjoint_b_ ? 1 : 0];
    if (inner != other) {
      return invalid_argument(concat("Cannot multiply A and B because inner dimension does not match: ", inner, " vs. ", other,
                                     ".  Did you forget a transpose?  Dimensions of A: [", dims[0], ", ", dims[1],
                                     ").  Dimensions of B: ", b.shape().to_string()));
    }
    FERRY_RETURN_IF_ERROR(Shape::checked(std::array{rows, columns}, call.run().limits).status());
    std::vector<int64_t> wide;
    std::span<const int64_t> entries;
    if (indices.dtype() == DType::int64) {
      entries = indices.values<int64_t>();
    } else {
      FERRY_ASSIGN_OR_RETURN(wide, call.integers(0));
      entries = wide;
    }
    return loop_(call, {values, b, entries, adjoint_a_, adjoint_b_, rows, inner, columns});
  }

 private:
  Loop loop_;
  bool adjoint_a_, adjoint_b_;
};

Result<KernelRef> make_product(const NodeInfo& node) {
  KernelRef out;
  using Registered = Types<float, double, int32_t, Half, BFloat16, std::complex<float>, std::complex<double>>;
  with_type(node.type("T"), Registered{}, [&]<class T>(TypeTag<T>) {
    out = std::make_unique<SparseTimesDense>(multiply<T>, node.flag("adjoint_a"), node.flag("adjoint_b"));
  });
  if (out == nullptr) return no_kernel(node.op(), node.type("T"));
  return out;
}

// ---- SparseMatMul: dense matrices that hold many zeros; float32 or bfloat16 each, the product float32

class MatMulKernel final : public Kernel {
 public:
  MatMulKernel(bool a, bool b) : transpose_a_(a), transpose_b_(b) {}

  Status run(Call& call) const override {
    const DenseTensor &a = call.in(0), &b = call.in(1);
    if (a.shape().rank() != 2) return invalid_argument("a is not a matrix");
    if (b.shape().rank() != 2) return invalid_argument("b is not a matrix");
    const int64_t m = a.shape()[transpose_a_ ? 1 : 0], k = a.shape()[transpose_a_ ? 0 : 1], n = b.shape()[transpose_b_ ? 0 : 1];
    if (k != b.shape()[transpose_b_ ? 1 : 0]) {
      return invalid_argument(concat("Matrix size incompatible: a: ", a.shape().to_string(), ", b: ", b.shape().to_string()));
    }
    if (m < 0 || n < 0 || k == 0) return invalid_argument("SparseMatMul of matrices without an inner axis");
    const std::vector<float> left = floats(a), right = floats(b);
    FERRY_ASSIGN_OR_RETURN(const auto out, call.make<float>(0, DType::float32, Shape{m, n}));
    std::fill(out.begin(), out.end(), 0.0f);
    for (int64_t i = 0; i < m; ++i) {
      FERRY_RETURN_IF_ERROR(call.run().check());
      float* const to = out.data() + i * n;
      for (int64_t j = 0; j < k; ++j) {
        const float value = left[static_cast<size_t>(transpose_a_ ? j * m + i : i * k + j)];
        if (value == 0) continue;
        if (transpose_b_) {
          for (int64_t c = 0; c < n; ++c) to[c] += value * right[static_cast<size_t>(c * k + j)];
        } else {
          const float* const row = right.data() + j * n;
          for (int64_t c = 0; c < n; ++c) to[c] += value * row[c];
        }
      }
    }
    return {};
  }

 private:
  static std::vector<float> floats(const DenseTensor& x) {
    std::vector<float> out(static_cast<size_t>(x.num_elements()));
    if (x.dtype() == DType::float32) {
      std::ranges::copy(x.values<float>(), out.begin());
    } else {
      std::ranges::transform(x.values<BFloat16>(), out.begin(), [](BFloat16 v) { return static_cast<float>(v); });
    }
    return out;
  }
  bool transpose_a_, transpose_b_;
};

Result<KernelRef> make_matmul(const NodeInfo& node) {
  return KernelRef(std::make_unique<MatMulKernel>(node.flag("transpose_a"), node.flag("transpose_b")));
}

}  // namespace

extern const Op SparseToDense_op, SparseTensorDenseMatMul_op, SparseMatMul_op;
const Op SparseToDense_op{"SparseToDense", make_to_dense};
const Op SparseTensorDenseMatMul_op{"SparseTensorDenseMatMul", make_product};
const Op SparseMatMul_op{"SparseMatMul", make_matmul};

}  // namespace ferry::ops
