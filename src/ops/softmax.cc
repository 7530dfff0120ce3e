// Softmax of the last axis, its logarithm, and the cross entropies that are made of it.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/broadcast.h"
#include "ops/kernel.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// The largest of a row; rows of nothing but -inf give -inf.
template <class T>
Arithmetic<T> largest(const T* row, int64_t count) {
  using A = Arithmetic<T>;
  A out = -std::numeric_limits<A>::infinity();
  for (int64_t i = 0; i < count; ++i) out = std::max(out, to_arithmetic(row[i]));
  return out;
}

using SoftmaxLoop = void (*)(const void* in, void* out, int64_t begin, int64_t end, int64_t columns);

template <class T, bool kLog>
void softmax_rows(const void* in, void* out, int64_t begin, int64_t end, int64_t columns) {
  using A = Arithmetic<T>;
  for (int64_t r = begin; r < end; ++r) {
    const T* const x = static_cast<const T*>(in) + r * columns;
    T* const y = static_cast<T*>(out) + r * columns;
    const A top = largest(x, columns);
    A sum = 0;
    if constexpr (kLog) {
      for (int64_t i = 0; i < columns; ++i) sum += std::exp(to_arithmetic(x[i]) - top);
      const A log_sum = std::log(sum);
      for (int64_t i = 0; i < columns; ++i) y[i] = static_cast<T>(to_arithmetic(x[i]) - top - log_sum);
    } else if constexpr (is_small_float_v<T>) {
      for (int64_t i = 0; i < columns; ++i) sum += std::exp(to_arithmetic(x[i]) - top);
      for (int64_t i = 0; i < columns; ++i) y[i] = static_cast<T>(std::exp(to_arithmetic(x[i]) - top) / sum);
    } else {
      for (int64_t i = 0; i < columns; ++i) sum += y[i] = std::exp(x[i] - top);
      const A scale = A(1) / sum;
      for (int64_t i = 0; i < columns; ++i) y[i] *= scale;
    }
  }
}

class SoftmaxKernel final : public Kernel {
 public:
  explicit SoftmaxKernel(SoftmaxLoop loop) : loop_(loop) {}
  Status run(Call& call) const override {
    const DenseTensor& x = call.in(0);
    if (x.shape().rank() < 1) return invalid_argument(concat("logits must have >= 1 dimension, got ", x.shape().to_string()));
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), x.shape()));
    if (x.num_elements() == 0) return {};
    const int64_t columns = x.shape()[x.shape().rank() - 1];
    parallel_for(call.run().pool, x.num_elements() / columns, std::max<int64_t>(1, 4096 / columns),
                 [&](int64_t begin, int64_t end) { loop_(x.raw(), out, begin, end, columns); });
    return {};
  }

 private:
  SoftmaxLoop loop_;
};

template <bool kLog>
Result<KernelRef> make_softmax(const NodeInfo& node) {
  KernelRef out;
  const DType dtype = node.input_dtypes()[0];
  with_type(dtype, Floats{}, [&]<class T>(TypeTag<T>) { out = std::make_unique<SoftmaxKernel>(softmax_rows<T, kLog>); });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

// Sides of one row or one column serve all.
template <class T>
Status cross_entropy(Call& call) {
  using A = Arithmetic<T>;
  const Shape &logits = call.shape(0), &labels = call.shape(1);
  const auto fit = Broadcast::of(logits, labels);
  if (!fit.ok() || fit->out.rank() != 2) {
    return invalid_argument(concat("logits and labels must be broadcastable: logits_size=", logits.to_string(),
                                   " labels_size=", labels.to_string(), ", and either 2-dimensional, or broadcasted to be 2-dimensional"));
  }
  const int64_t rows = fit->out[0], columns = fit->out[1];
  FERRY_ASSIGN_OR_RETURN(const std::span<T> loss, call.make<T>(0, call.in(0).dtype(), Shape{rows}));
  FERRY_ASSIGN_OR_RETURN(const std::span<T> backprop, call.make<T>(1, call.in(0).dtype(), fit->out));
  if (rows > 0 && columns == 0) return invalid_argument(concat("Must have at least one class, but got logits shape ", logits.to_string()));
  struct Side {
    const T* data;
    int64_t row, column;
  };
  const auto side = [&](size_t i, const Shape& shape) {
    const int64_t height = shape.rank() < 2 ? 1 : shape[0], width = shape.rank() < 1 ? 1 : shape[shape.rank() - 1];
    return Side{call.values<T>(i).data(), height == 1 ? 0 : width, width == 1 ? 0 : 1};
  };
  const Side x = side(0, logits), y = side(1, labels);
  for (int64_t r = 0; r < rows; ++r) {
    const auto logit = [&](int64_t c) { return to_arithmetic(x.data[r * x.row + c * x.column]); };
    const auto label = [&](int64_t c) { return to_arithmetic(y.data[r * y.row + c * y.column]); };
    A top = -std::numeric_limits<A>::infinity(), sum = 0, out = 0;
    for (int64_t c = 0; c < columns; ++c) top = std::max(top, logit(c));
    for (int64_t c = 0; c < columns; ++c) sum += std::exp(logit(c) - top);
    const A log_sum = std::log(sum);
    for (int64_t c = 0; c < columns; ++c) {
      const A p = label(c), z = logit(c) - top;
      if (p != 0) out += p * (log_sum - z);
      backprop[static_cast<size_t>(r * columns + c)] = static_cast<T>(std::exp(z) / sum - p);
    }
    loss[static_cast<size_t>(r)] = static_cast<T>(out);
  }
  return {};
}

template <class T, class Label>
Status sparse_cross_entropy(Call& call) {
  using A = Arithmetic<T>;
  const Shape &logits = call.shape(0), &labels = call.shape(1);
  if (logits.rank() != 2) return invalid_argument(concat("logits must be 2-D, but got shape ", logits.to_string()));
  if (labels.rank() != 1) return invalid_argument(concat("labels must be 1-D, but got shape ", labels.to_string()));
  if (logits[0] != labels[0]) {
    return invalid_argument(concat("logits and labels must have the same first dimension, got logits shape ", logits.to_string(),
                                   " and labels shape ", labels.to_string()));
  }
  const int64_t rows = logits[0], columns = logits[1];
  if (columns <= 0) return invalid_argument(concat("Must have at least one class, but got logits shape ", logits.to_string()));
  const std::span<const Label> label = call.values<Label>(1);
  for (const Label one : label) {
    if (one < 0 || one >= columns) {
      return invalid_argument(concat("Received a label value of ", one, " which is outside the valid range of [0, ", columns, ")."));
    }
  }
  FERRY_ASSIGN_OR_RETURN(const std::span<T> loss, call.make<T>(0, call.in(0).dtype(), Shape{rows}));
  FERRY_ASSIGN_OR_RETURN(const std::span<T> backprop, call.make<T>(1, call.in(0).dtype(), logits));
  for (int64_t r = 0; r < rows; ++r) {
    const T* const x = call.values<T>(0).data() + r * columns;
    const A top = largest(x, columns);
    A sum = 0;
    for (int64_t c = 0; c < columns; ++c) sum += std::exp(to_arithmetic(x[c]) - top);
    const auto at = static_cast<int64_t>(label[static_cast<size_t>(r)]);
    for (int64_t c = 0; c < columns; ++c) {
      backprop[static_cast<size_t>(r * columns + c)] = static_cast<T>(std::exp(to_arithmetic(x[c]) - top) / sum - A(c == at));
    }
    loss[static_cast<size_t>(r)] = static_cast<T>(std::log(sum) - (to_arithmetic(x[at]) - top));
  }
  return {};
}

Result<KernelRef> make_cross_entropy(const NodeInfo& node) {
  KernelRef out;
  const DType dtype = node.input_dtypes()[0];
  with_type(dtype, Floats{}, [&]<class T>(TypeTag<T>) { out = std::make_unique<FreeKernel<cross_entropy<T>>>(); });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

Result<KernelRef> make_sparse_cross_entropy(const NodeInfo& node) {
  KernelRef out;
  const DType dtype = node.input_dtypes()[0];
  with_type(dtype, Floats{}, [&]<class T>(TypeTag<T>) {
    with_type(node.input_dtypes()[1], Types<int32_t, int64_t>{},
              [&]<class L>(TypeTag<L>) { out = std::make_unique<FreeKernel<sparse_cross_entropy<T, L>>>(); });
  });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

}  // namespace

extern const Op Softmax_op, LogSoftmax_op, SoftmaxCrossEntropyWithLogits_op, SparseSoftmaxCrossEntropyWithLogits_op;

const Op Softmax_op{"Softmax", make_softmax<false>};
const Op LogSoftmax_op{"LogSoftmax", make_softmax<true>};
const Op SoftmaxCrossEntropyWithLogits_op{"SoftmaxCrossEntropyWithLogits", make_cross_entropy};
const Op SparseSoftmaxCrossEntropyWithLogits_op{"SparseSoftmaxCrossEntropyWithLogits", make_sparse_cross_entropy};

}  // namespace ferry::ops
