// CSRSparseMatrix: matrices, or batches of them, by rows as objects. From and to sparse and dense tensors, transposed, multiplied.
#include <algorithm>
#include <array>
#include <numeric>

#include "ops/coo.h"
#include "ops/elementwise.h"
#include "tensor/elements.h"

namespace ferry::ops {
namespace {

class CsrMatrix final : public Object {
 public:
  static constexpr std::string_view kKind = "CSR matrix";
  std::string_view kind() const override { return kKind; }

  Shape shape;                   // [rows, columns], or [batch, rows, columns]
  std::vector<int64_t> batches;  // where each one's entries begin; one more for the end
  std::vector<int32_t> rows;     // rows + 1 for each, from 0
  std::vector<int32_t> columns;
  DenseTensor values;

  int64_t batch() const { return static_cast<int64_t>(batches.size()) - 1; }
  int64_t height() const { return shape[shape.rank() - 2]; }
  int64_t width() const { return shape[shape.rank() - 1]; }
  // Entries of row r of matrix b.
  std::pair<size_t, size_t> row(int64_t b, int64_t r) const {
    const auto base = static_cast<size_t>(batches[static_cast<size_t>(b)]), at = static_cast<size_t>(b * (height() + 1) + r);
    return {base + static_cast<size_t>(rows[at]), base + static_cast<size_t>(rows[at + 1])};
  }
};

Status check_shape(const Shape& shape, const Limits& limits) {
  if (shape.rank() != 2 && shape.rank() != 3)
    return invalid_argument(concat("a CSR matrix must be of rank 2 or 3, not ", shape.to_string()));
  for (int64_t dim : shape) {
    if (dim > INT32_MAX) return invalid_argument(concat("an axis of ", dim, " is more than int32 can count"));
  }
  const auto count = static_cast<uint64_t>(shape.rank() == 3 ? shape[0] : 1) * static_cast<uint64_t>(shape[shape.rank() - 2] + 1);
  if (count > limits.max_tensor_bytes / sizeof(int64_t)) return limit_exceeded(concat(count, " rows (max_tensor_bytes)"));
  return {};
}

// Sorted entries to rows.
Result<std::shared_ptr<CsrMatrix>> compress(Call& call, const Coo& x, DenseTensor values) {
  FERRY_RETURN_IF_ERROR(check_shape(x.shape, call.run().limits));
  FERRY_RETURN_IF_ERROR(x.check_range());
  if (!x.is_sorted(false)) return invalid_argument("indices are out of order: a CSR matrix is made of entries in row-major order");
  if (x.nnz > INT32_MAX) return invalid_argument(concat(x.nnz, " entries are more than int32 can count"));
  auto out = std::make_shared<CsrMatrix>();
  out->shape = x.shape;
  out->values = std::move(values);
  const int64_t batch = x.rank == 3 ? x.shape[0] : 1, height = out->height();
  out->batches.assign(static_cast<size_t>(batch) + 1, 0);
  out->rows.assign(static_cast<size_t>(batch * (height + 1)), 0);
  out->columns.reserve(static_cast<size_t>(x.nnz));
  for (int64_t i = 0; i < x.nnz; ++i) {
    const int64_t* const at = x.row(i);
    const int64_t b = x.rank == 3 ? at[0] : 0;
    ++out->batches[static_cast<size_t>(b) + 1];
    ++out->rows[static_cast<size_t>(b * (height + 1) + at[x.rank - 2] + 1)];
    out->columns.push_back(static_cast<int32_t>(at[x.rank - 1]));
  }
  for (size_t b = 1; b < out->batches.size(); ++b) out->batches[b] += out->batches[b - 1];
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t r = 1; r <= height; ++r)
      out->rows[static_cast<size_t>(b * (height + 1) + r)] += out->rows[static_cast<size_t>(b * (height + 1) + r - 1)];
  }
  return out;
}

Result<std::shared_ptr<CsrMatrix>> matrix(const Call& call, size_t i, DType dtype) {
  FERRY_ASSIGN_OR_RETURN(auto out, call.object<CsrMatrix>(i));
  if (out->values.dtype() != dtype)
    return invalid_argument(concat("the matrix is of ", dtype_name(out->values.dtype()), ", wanted ", dtype_name(dtype)));
  return out;
}
void put(Call& call, std::shared_ptr<CsrMatrix> made) { call.set(0, Value(DType::variant, std::move(made))); }

// f(b, r, entry) for each entry.
template <class F>
void for_each_entry(const CsrMatrix& x, F&& f) {
  for (int64_t b = 0; b < x.batch(); ++b) {
    for (int64_t r = 0; r < x.height(); ++r) {
      const auto [begin, end] = x.row(b, r);
      for (size_t i = begin; i < end; ++i) f(b, r, i);
    }
  }
}

Status from_sparse(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1, 2));
  FERRY_ASSIGN_OR_RETURN(auto made, compress(call, x, call.in(1)));
  put(call, std::move(made));
  return {};
}

Status from_dense(Call& call) {
  const DenseTensor& dense = call.in(0);
  const DenseTensor dims = shape_tensor(dense.shape());
  FERRY_ASSIGN_OR_RETURN(const Coo x, coo_of(call.in(1), dims, call.run().limits));
  FERRY_RETURN_IF_ERROR(x.check_range());
  std::vector<int64_t> at;
  for (int64_t i = 0; i < x.nnz; ++i) {
    int64_t place = 0;
    for (size_t axis = 0; axis < x.rank; ++axis) place = place * x.shape[axis] + x.row(i)[axis];
    at.push_back(place);
  }
  FERRY_ASSIGN_OR_RETURN(const DenseTensor flat, dense.reshaped(Shape{dense.num_elements()}));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, elements::take(flat, at));
  FERRY_ASSIGN_OR_RETURN(auto made, compress(call, x, std::move(values)));
  put(call, std::move(made));
  return {};
}

Status to_sparse(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const auto x, matrix(call, 0, call.node().output_dtypes()[1]));
  const size_t rank = x->shape.rank();
  FERRY_ASSIGN_OR_RETURN(const auto indices,
                         call.make<int64_t>(0, DType::int64, Shape{x->values.num_elements(), static_cast<int64_t>(rank)}));
  int64_t* to = indices.data();
  for_each_entry(*x, [&](int64_t b, int64_t r, size_t i) {
    if (rank == 3) *to++ = b;
    *to++ = r;
    *to++ = x->columns[i];
  });
  call.set(1, x->values);
  call.set(2, shape_tensor(x->shape));
  return {};
}

Status to_dense(Call& call) {
  const DType dtype = call.node().output_dtypes()[0];
  FERRY_ASSIGN_OR_RETURN(const auto x, matrix(call, 0, dtype));
  FERRY_ASSIGN_OR_RETURN(std::byte* const data, call.make(0, dtype, x->shape));
  visit_width(dtype_size(dtype), [&]<class T>(TypeTag<T>) {
    T* const out = reinterpret_cast<T*>(data);
    std::fill_n(out, *x->shape.num_elements(), T{});
    const T* const from = static_cast<const T*>(x->values.raw());
    for_each_entry(*x, [&](int64_t b, int64_t r, size_t i) { out[(b * x->height() + r) * x->width() + x->columns[i]] = from[i]; });
  });
  return {};
}

Status components(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const auto x, matrix(call, 0, call.node().output_dtypes()[2]));
  if (!is_scalar(call.shape(1))) return invalid_argument("index should be a scalar");
  FERRY_ASSIGN_OR_RETURN(const int64_t index, call.integer(1));
  if (index < 0 || index >= x->batch()) return invalid_argument(concat("index (", index, ") not in [0, ", x->batch(), ")"));
  const auto begin = static_cast<size_t>(x->batches[static_cast<size_t>(index)]),
             end = static_cast<size_t>(x->batches[static_cast<size_t>(index) + 1]);
  const auto stride = static_cast<size_t>(x->height()) + 1;
  call.set(0, DenseTensor::vector<int32_t>(std::span(x->rows).subspan(static_cast<size_t>(index) * stride, stride)));
  call.set(1, DenseTensor::vector<int32_t>(std::span(x->columns).subspan(begin, end - begin)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, x->values.slice_rows(static_cast<int64_t>(begin), static_cast<int64_t>(end)));
  call.set(2, std::move(values));
  return {};
}

Status count(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const auto x, call.object<CsrMatrix>(0));
  const Shape shape = x->shape.rank() == 2 ? Shape{} : Shape{x->batch()};
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int32_t>(0, DType::int32, shape));
  for (size_t b = 0; b < out.size(); ++b) out[b] = static_cast<int32_t>(x->batches[b + 1] - x->batches[b]);
  return {};
}

template <class T>
T conjugate(T value, bool wanted) {
  if constexpr (is_complex_v<T>) return wanted ? std::conj(value) : value;
  return value;
}

template <class T>
std::shared_ptr<CsrMatrix> transposed(const CsrMatrix& x, bool conjugated) {
  auto out = std::make_shared<CsrMatrix>();
  out->shape = x.shape;
  std::swap(out->shape[out->shape.rank() - 1], out->shape[out->shape.rank() - 2]);
  out->batches = x.batches;
  const int64_t height = out->height();
  out->rows.assign(static_cast<size_t>(x.batch() * (height + 1)), 0);
  out->columns.resize(x.columns.size());
  for_each_entry(x, [&](int64_t b, int64_t, size_t i) { ++out->rows[static_cast<size_t>(b * (height + 1) + x.columns[i] + 1)]; });
  for (int64_t b = 0; b < x.batch(); ++b) {
    for (int64_t r = 1; r <= height; ++r)
      out->rows[static_cast<size_t>(b * (height + 1) + r)] += out->rows[static_cast<size_t>(b * (height + 1) + r - 1)];
  }
  std::vector<int32_t> next = out->rows;
  std::vector<T> values(x.columns.size());
  const auto from = x.values.values<T>();
  for_each_entry(x, [&](int64_t b, int64_t r, size_t i) {
    const auto to = static_cast<size_t>(x.batches[static_cast<size_t>(b)] + next[static_cast<size_t>(b * (height + 1) + x.columns[i])]++);
    out->columns[to] = static_cast<int32_t>(r);
    values[to] = conjugate(from[i], conjugated);
  });
  out->values = DenseTensor::vector<T>(values);
  return out;
}

struct Flags {
  bool transpose_a = false, transpose_b = false, adjoint_a = false, adjoint_b = false, transpose_out = false, conjugate_out = false;
};

template <class T>
Status transpose(Call& call, const Flags& flags) {
  FERRY_ASSIGN_OR_RETURN(const auto x, matrix(call, 0, dtype_of<T>()));
  FERRY_RETURN_IF_ERROR([&] {
    Shape turned = x->shape;
    std::swap(turned[turned.rank() - 1], turned[turned.rank() - 2]);
    return check_shape(turned, call.run().limits);
  }());
  put(call, transposed<T>(*x, flags.conjugate_out));
  return {};
}

// The left side as it is to be multiplied.
template <class T>
Result<std::shared_ptr<CsrMatrix>> operand(Call& call, size_t i, bool turned, bool adjoint) {
  FERRY_ASSIGN_OR_RETURN(auto x, matrix(call, i, dtype_of<T>()));
  if (!turned && !adjoint) return x;
  Shape shape = x->shape;
  std::swap(shape[shape.rank() - 1], shape[shape.rank() - 2]);
  FERRY_RETURN_IF_ERROR(check_shape(shape, call.run().limits));
  return transposed<T>(*x, adjoint);
}

template <class T>
Status times_dense(Call& call, const Flags& flags) {
  FERRY_ASSIGN_OR_RETURN(const auto a, operand<T>(call, 0, flags.transpose_a, flags.adjoint_a));
  const DenseTensor& b = call.in(1);
  const size_t rank = b.shape().rank();
  if (rank != a->shape.rank()) return invalid_argument(concat("Ranks of a and b must match, saw: ", a->shape.rank(), " vs. ", rank, "."));
  if (rank == 3 && b.shape()[0] != a->shape[0]) return invalid_argument("the batches of a and b differ");
  const bool turned = flags.transpose_b || flags.adjoint_b;
  const int64_t inner = b.shape()[rank - (turned ? 1 : 2)], columns = b.shape()[rank - (turned ? 2 : 1)], rows = a->height();
  if (inner != a->width()) return invalid_argument(concat("Inner dimensions of A and B do not agree: ", a->width(), " vs. ", inner));
  Shape shape = a->shape;
  shape[rank - 2] = flags.transpose_out ? columns : rows;
  shape[rank - 1] = flags.transpose_out ? rows : columns;
  FERRY_RETURN_IF_ERROR(Shape::checked(shape.dims(), call.run().limits).status());
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<T>(0, dtype_of<T>(), shape));
  std::fill(out.begin(), out.end(), T{});
  const auto left = a->values.template values<T>(), right = b.values<T>();
  uint64_t done = 0;
  Status status;
  for_each_entry(*a, [&](int64_t n, int64_t r, size_t i) {
    if ((++done & 0xfff) == 0 && status.ok()) status = call.run().check();
    if (!status.ok()) return;
    const int64_t k = a->columns[i];
    for (int64_t c = 0; c < columns; ++c) {
      const T factor =
          conjugate(right[static_cast<size_t>(n * inner * columns + (turned ? c * inner + k : k * columns + c))], flags.adjoint_b);
      out[static_cast<size_t>(n * rows * columns + (flags.transpose_out ? c * rows + r : r * columns + c))] += left[i] * factor;
    }
  });
  FERRY_RETURN_IF_ERROR(status);
  if (flags.conjugate_out) std::ranges::transform(out, out.begin(), [](T value) { return conjugate(value, true); });
  return {};
}

template <class T>
Status times_sparse(Call& call, const Flags& flags) {
  FERRY_ASSIGN_OR_RETURN(const auto a, operand<T>(call, 0, flags.transpose_a, flags.adjoint_a));
  FERRY_ASSIGN_OR_RETURN(const auto b, operand<T>(call, 1, flags.transpose_b, flags.adjoint_b));
  if (a->shape.rank() != b->shape.rank()) return invalid_argument("Ranks of a and b must match");
  if (a->batch() != b->batch()) return invalid_argument("the batches of a and b differ");
  if (a->width() != b->height())
    return invalid_argument(concat("Inner dimensions of A and B do not agree: ", a->width(), " vs. ", b->height()));
  auto out = std::make_shared<CsrMatrix>();
  out->shape = a->shape;
  out->shape[out->shape.rank() - 1] = b->width();
  FERRY_RETURN_IF_ERROR(Shape::checked(out->shape.dims(), call.run().limits).status());
  out->batches = {0};
  std::vector<T> values, sums(static_cast<size_t>(b->width()));
  std::vector<bool> is_there(static_cast<size_t>(b->width()), false);
  std::vector<int32_t> found;
  const auto left = a->values.template values<T>(), right = b->values.template values<T>();
  for (int64_t n = 0; n < a->batch(); ++n) {
    out->rows.push_back(0);
    for (int64_t r = 0; r < a->height(); ++r) {
      FERRY_RETURN_IF_ERROR(call.run().check());
      found.clear();
      const auto [begin, end] = a->row(n, r);
      for (size_t i = begin; i < end; ++i) {
        const auto [from, to] = b->row(n, a->columns[i]);
        for (size_t j = from; j < to; ++j) {
          const auto column = static_cast<size_t>(b->columns[j]);
          if (!is_there[column]) {
            is_there[column] = true;
            sums[column] = T{};
            found.push_back(b->columns[j]);
          }
          sums[column] += left[i] * right[j];
        }
      }
      std::ranges::sort(found);
      for (int32_t column : found) {
        out->columns.push_back(column);
        values.push_back(sums[static_cast<size_t>(column)]);
        is_there[static_cast<size_t>(column)] = false;
      }
      if (values.size() > INT32_MAX) return limit_exceeded("the product has more entries than int32 can count");
      out->rows.push_back(static_cast<int32_t>(static_cast<int64_t>(values.size()) - out->batches.back()));
    }
    out->batches.push_back(static_cast<int64_t>(values.size()));
  }
  out->values = DenseTensor::vector<T>(values);
  put(call, std::move(out));
  return {};
}

class CsrKernel final : public Kernel {
 public:
  using Act = Status (*)(Call&, const Flags&);
  CsrKernel(Act act, Flags flags) : act_(act), flags_(flags) {}
  Status run(Call& call) const override { return act_(call, flags_); }

 private:
  Act act_;
  Flags flags_;
};

enum class What : uint8_t { transpose, times_dense, times_sparse };

template <What kWhat>
Result<KernelRef> make_csr(const NodeInfo& node) {
  Flags flags;
  if (kWhat == What::transpose) {
    flags.conjugate_out = node.flag("conjugate");
  } else {
    flags = {node.flag("transpose_a"), node.flag("transpose_b"), node.flag("adjoint_a"), node.flag("adjoint_b")};
    if (kWhat == What::times_dense) {
      flags.transpose_out = node.flag("transpose_output");
      flags.conjugate_out = node.flag("conjugate_output");
    }
    if (flags.transpose_a && flags.adjoint_a) return invalid_argument("Only one of adjoint_a and transpose_a may be true.");
    if (flags.transpose_b && flags.adjoint_b) return invalid_argument("Only one of adjoint_b and transpose_b may be true.");
  }
  KernelRef out;
  const DType dtype = node.type(kWhat == What::times_dense ? "T" : "type");
  with_type(dtype, Types<float, double, std::complex<float>, std::complex<double>>{}, [&]<class T>(TypeTag<T>) {
    out = std::make_unique<CsrKernel>(kWhat == What::transpose     ? transpose<T>
                                      : kWhat == What::times_dense ? times_dense<T>
                                                                   : times_sparse<T>,
                                      flags);
  });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

}  // namespace

#define FERRY_CSR_OP(op, make) \
  extern const Op op##_op;     \
  const Op op##_op { #op, make }

FERRY_CSR_OP(SparseTensorToCSRSparseMatrix, make_free<from_sparse>);
FERRY_CSR_OP(DenseToCSRSparseMatrix, make_free<from_dense>);
FERRY_CSR_OP(CSRSparseMatrixToSparseTensor, make_free<to_sparse>);
FERRY_CSR_OP(CSRSparseMatrixToDense, make_free<to_dense>);
FERRY_CSR_OP(CSRSparseMatrixComponents, make_free<components>);
FERRY_CSR_OP(SparseMatrixNNZ, make_free<count>);
FERRY_CSR_OP(SparseMatrixTranspose, make_csr<What::transpose>);
FERRY_CSR_OP(SparseMatrixMatMul, make_csr<What::times_dense>);
FERRY_CSR_OP(SparseMatrixSparseMatMul, make_csr<What::times_sparse>);

}  // namespace ferry::ops
