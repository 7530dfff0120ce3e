// Products of matrices and of batches of them.
#include <algorithm>

#include "ferry/checked.h"
#include "ops/broadcast.h"
#include "ops/gemm.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

class MatMulKernel final : public Kernel {
 public:
  MatMulKernel(bool turn_a, bool turn_b) : turn_a_(turn_a), turn_b_(turn_b) {}
  Status run(Call& call) const override {
    const Shape &a = call.shape(0), &b = call.shape(1);
    if (a.rank() != 2) return invalid_argument(concat("In[0] is not a matrix. Instead it has shape ", a.to_string()));
    if (b.rank() != 2) return invalid_argument(concat("In[1] is not a matrix. Instead it has shape ", b.to_string()));
    const int64_t m = a[turn_a_ ? 1 : 0], k = a[turn_a_ ? 0 : 1], n = b[turn_b_ ? 0 : 1];
    if (b[turn_b_ ? 1 : 0] != k) {
      return invalid_argument(concat("Matrix size-incompatible: In[0]: ", a.to_string(), ", In[1]: ", b.to_string()));
    }
    const DType dtype = call.in(0).dtype();
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, dtype, Shape{m, n}));
    return gemm(call.run(), dtype, {call.in(0).raw(), turn_a_}, {call.in(1).raw(), turn_b_}, out, m, n, k);
  }

 private:
  bool turn_a_, turn_b_;
};

Result<KernelRef> make_matmul(const NodeInfo& node) {
  const DType dtype = node.input_dtypes()[0];
  if (!has_gemm(dtype)) return no_kernel(node.op(), dtype);
  return KernelRef(std::make_unique<MatMulKernel>(node.flag("transpose_a"), node.flag("transpose_b")));
}

// The elements of `from` as another dtype, for BatchMatMulV3, whose sides may be narrower than its result.
Result<std::vector<std::byte>> widened(const DenseTensor& from, DType to) {
  std::vector<std::byte> out;
  bool done = false;
  with_type(from.dtype(), Numbers{}, [&]<class T>(TypeTag<T>) {
    with_type(to, Numbers{}, [&]<class R>(TypeTag<R>) {
      if constexpr (is_complex_v<T> == is_complex_v<R>) {
        out.resize(static_cast<size_t>(from.num_elements()) * sizeof(R));
        R* at = reinterpret_cast<R*>(out.data());
        for (const T value : from.values<T>()) *at++ = static_cast<R>(static_cast<Arithmetic<R>>(to_arithmetic(value)));
        done = true;
      }
    });
  });
  if (!done) return no_kernel(concat("a product of ", dtype_name(from.dtype()), " matrices into"), to);
  return out;
}

class BatchMatMulKernel final : public Kernel {
 public:
  BatchMatMulKernel(bool adj_a, bool adj_b, bool broadcasts, DType out)
      : adj_a_(adj_a), adj_b_(adj_b), broadcasts_(broadcasts), out_(out), width_(dtype_size(out)) {}
  Status run(Call& call) const override {
    const Shape &a = call.shape(0), &b = call.shape(1);
    if (a.rank() < 2) return invalid_argument(concat("In[0] ndims must be >= 2: ", a.rank()));
    if (b.rank() < 2) return invalid_argument(concat("In[1] ndims must be >= 2: ", b.rank()));
    const Shape batch_a(a.dims().first(a.rank() - 2)), batch_b(b.dims().first(b.rank() - 2));
    if (!broadcasts_ && !(batch_a == batch_b)) {
      return invalid_argument(concat("In[0] and In[1] must have compatible batch dimensions: ", a.to_string(), " vs. ", b.to_string()));
    }
    auto plan = Broadcast::of(batch_a, batch_b);
    if (!plan.ok()) {
      return invalid_argument(concat("In[0] and In[1] must have compatible batch dimensions: ", a.to_string(), " vs. ", b.to_string()));
    }
    const int64_t a_rows = a[a.rank() - 2], a_columns = a[a.rank() - 1], b_rows = b[b.rank() - 2], b_columns = b[b.rank() - 1];
    const int64_t m = adj_a_ ? a_columns : a_rows, k = adj_a_ ? a_rows : a_columns, n = adj_b_ ? b_rows : b_columns;
    if ((adj_b_ ? b_columns : b_rows) != k) {
      return invalid_argument(concat("Matrix size-incompatible: In[0]: ", a.to_string(), ", In[1]: ", b.to_string()));
    }
    Shape shape = plan->out;
    shape.append(m);
    shape.append(n);
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, out_, shape));
    if (*shape.num_elements() == 0) return {};
    std::vector<std::byte> wide_a, wide_b;
    const auto* x = static_cast<const std::byte*>(call.in(0).raw());
    const auto* y = static_cast<const std::byte*>(call.in(1).raw());
    if (call.in(0).dtype() != out_) {
      FERRY_ASSIGN_OR_RETURN(wide_a, widened(call.in(0), out_));
      x = wide_a.data();
    }
    if (call.in(1).dtype() != out_) {
      FERRY_ASSIGN_OR_RETURN(wide_b, widened(call.in(1), out_));
      y = wide_b.data();
    }
    const size_t size_a = static_cast<size_t>(m * k) * width_, size_b = static_cast<size_t>(k * n) * width_,
                 size_out = static_cast<size_t>(m * n) * width_;
    Status status;
    plan->for_each_row([&](int64_t at_a, int64_t at_b, int64_t at) {
      if (!status.ok()) return;
      status = gemm(call.run(), out_, {plan->run(), plan->run_step_a() * m * k, plan->run_step_b() * k * n},
                    {x + at_a * size_a, adj_a_, adj_a_}, {y + at_b * size_b, adj_b_, adj_b_}, out + at * size_out, m, n, k);
    });
    return status;
  }

 private:
  bool adj_a_, adj_b_, broadcasts_;
  DType out_;
  size_t width_;
};

template <bool kBroadcasts>
Result<KernelRef> make_batch_matmul(const NodeInfo& node) {
  const DType dtype = node.output_dtypes()[0];
  if (!has_gemm(dtype)) return no_kernel(node.op(), dtype);
  return KernelRef(std::make_unique<BatchMatMulKernel>(node.flag("adj_x"), node.flag("adj_y"), kBroadcasts, dtype));
}

}  // namespace

extern const Op MatMul_op, BatchMatMul_op, BatchMatMulV2_op, BatchMatMulV3_op;

const Op MatMul_op{"MatMul", make_matmul};
const Op BatchMatMul_op{"BatchMatMul", make_batch_matmul<false>};
const Op BatchMatMulV2_op{"BatchMatMulV2", make_batch_matmul<true>};
const Op BatchMatMulV3_op{"BatchMatMulV3", make_batch_matmul<true>};

}  // namespace ferry::ops
