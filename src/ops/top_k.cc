// The largest, the n-th, and whether a class is among the first: TopK, NthElement, InTopK.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "ops/kernel.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// NaN is below every number, so that the order is one.
template <class A>
bool above(A a, A b) {
  if constexpr (std::is_floating_point_v<A>) {
    if (a != a) return false;
    if (b != b) return true;
  }
  return a > b;
}

template <class T, class Index>
void top_k_rows(const DenseTensor& in, int64_t begin, int64_t end, int64_t columns, int64_t k, std::byte* values, std::byte* indices) {
  std::vector<int64_t> order;
  for (int64_t r = begin; r < end; ++r) {
    const T* const row = in.values<T>().data() + r * columns;
    T* const out = reinterpret_cast<T*>(values) + r * k;
    Index* const at = reinterpret_cast<Index*>(indices) + r * k;
    const auto before = [&](int64_t i, int64_t j) {
      const auto x = to_arithmetic(row[i]), y = to_arithmetic(row[j]);
      return above(x, y) || (!above(y, x) && i < j);
    };
    if (k == 1) {
      int64_t best = 0;
      for (int64_t i = 1; i < columns; ++i) {
        if (above(to_arithmetic(row[i]), to_arithmetic(row[best]))) best = i;
      }
      out[0] = row[best];
      at[0] = static_cast<Index>(best);
      continue;
    }
    order.resize(static_cast<size_t>(columns));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
    for (int64_t i = 0; i < k; ++i) {
      out[i] = row[order[static_cast<size_t>(i)]];
      at[i] = static_cast<Index>(order[static_cast<size_t>(i)]);
    }
  }
}

using TopKLoop = void (*)(const DenseTensor&, int64_t, int64_t, int64_t, int64_t, std::byte*, std::byte*);

class TopKKernel final : public Kernel {
 public:
  TopKKernel(TopKLoop loop, DType index, std::optional<int64_t> k) : loop_(loop), index_(index), k_(k) {}
  Status run(Call& call) const override {
    const DenseTensor& x = call.in(0);
    int64_t k = k_.value_or(0);
    if (!k_) {
      if (call.shape(1).rank() != 0) return invalid_argument(concat("k must be scalar, got shape ", call.shape(1).to_string()));
      FERRY_ASSIGN_OR_RETURN(k, call.integer(1));
    }
    if (k < 0) return invalid_argument(concat("Need k >= 0, got ", k));
    if (x.shape().rank() < 1) return invalid_argument(concat("input must be >= 1-D, got shape ", x.shape().to_string()));
    const int64_t columns = x.shape()[x.shape().rank() - 1];
    if (columns < k) return invalid_argument(concat("input must have at least k columns. Had ", columns, ", needed ", k));
    Shape shape = x.shape();
    shape[shape.rank() - 1] = k;
    FERRY_ASSIGN_OR_RETURN(std::byte* const values, call.make(0, x.dtype(), shape));
    FERRY_ASSIGN_OR_RETURN(std::byte* const indices, call.make(1, index_, shape));
    if (k == 0 || x.num_elements() == 0) return {};
    parallel_for(call.run().pool, x.num_elements() / columns, std::max<int64_t>(1, 8192 / columns),
                 [&](int64_t begin, int64_t end) { loop_(x, begin, end, columns, k, values, indices); });
    return {};
  }

 private:
  TopKLoop loop_;
  DType index_;
  std::optional<int64_t> k_;
};

Result<KernelRef> make_top_k(const NodeInfo& node) {
  KernelRef out;
  const DType dtype = node.input_dtypes()[0], index = node.output_dtypes()[1];
  const auto k = node.op() == "TopK" ? std::optional(node.number("k")) : std::nullopt;
  if (k && *k < 0) return invalid_argument(concat("Need k >= 0, got ", *k));
  with_type(dtype, Reals{}, [&]<class T>(TypeTag<T>) {
    with_type(index, Types<int16_t, int32_t, int64_t>{},
              [&]<class I>(TypeTag<I>) { out = std::make_unique<TopKKernel>(top_k_rows<T, I>, index, k); });
  });
  if (out == nullptr) return no_kernel(node.op(), dtype);
  return out;
}

class NthElementKernel final : public Kernel {
 public:
  explicit NthElementKernel(bool reverse) : reverse_(reverse) {}
  Status run(Call& call) const override {
    const DenseTensor& x = call.in(0);
    if (call.shape(1).rank() != 0) return invalid_argument(concat("N must be scalar but has rank ", call.shape(1).rank()));
    FERRY_ASSIGN_OR_RETURN(const int64_t n, call.integer(1));
    if (n < 0) return invalid_argument(concat("n must be non-negative but is ", n));
    if (x.shape().rank() < 1) return invalid_argument(concat("Input must be at least rank 1 but is rank ", x.shape().rank()));
    const int64_t columns = x.shape()[x.shape().rank() - 1];
    if (n >= columns) return invalid_argument(concat("Input must have last dimension > n = ", n, " but is ", columns));
    const Shape shape(x.shape().dims().first(x.shape().rank() - 1));
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, x.dtype(), shape));
    const int64_t at = reverse_ ? columns - 1 - n : n;
    with_type(x.dtype(), Reals{}, [&]<class T>(TypeTag<T>) {
      std::vector<T> row(static_cast<size_t>(columns));
      T* to = reinterpret_cast<T*>(out);
      for (int64_t r = 0; r < x.num_elements() / columns; ++r) {
        std::copy_n(x.values<T>().data() + r * columns, columns, row.begin());
        std::nth_element(row.begin(), row.begin() + at, row.end(), [](T a, T b) { return above(to_arithmetic(b), to_arithmetic(a)); });
        *to++ = row[static_cast<size_t>(at)];
      }
    });
    return {};
  }

 private:
  bool reverse_;
};

Result<KernelRef> make_nth_element(const NodeInfo& node) {
  const DType dtype = node.input_dtypes()[0];
  if (!with_type(dtype, Reals{}, [](auto) {})) return no_kernel(node.op(), dtype);
  return KernelRef(std::make_unique<NthElementKernel>(node.flag("reverse")));
}

class InTopKKernel final : public Kernel {
 public:
  explicit InTopKKernel(std::optional<int64_t> k) : k_(k) {}
  Status run(Call& call) const override {
    const Shape &predictions = call.shape(0), &targets = call.shape(1);
    if (predictions.rank() != 2) return invalid_argument("predictions must be 2-dimensional");
    if (targets.rank() != 1) return invalid_argument("targets must be 1-dimensional");
    if (predictions[0] != targets[0]) {
      return invalid_argument(concat("First dimension of predictions ", predictions[0], " must match length of targets ", targets[0]));
    }
    int64_t k = k_.value_or(0);
    if (!k_) {
      if (call.shape(2).rank() != 0) return invalid_argument("k must be 0-D, got shape " + call.shape(2).to_string());
      FERRY_ASSIGN_OR_RETURN(k, call.integer(2));
    }
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> target, call.integers(1));
    FERRY_ASSIGN_OR_RETURN(const std::span<bool> out, call.make<bool>(0, DType::bool_, targets));
    const int64_t classes = predictions[1];
    for (size_t r = 0; r < target.size(); ++r) {
      const float* const row = call.values<float>(0).data() + static_cast<int64_t>(r) * classes;
      bool known = target[r] >= 0 && target[r] < classes && std::isfinite(row[target[r]]);
      int64_t larger = 0;
      for (int64_t c = 0; known && c < classes && larger <= k; ++c) {
        known = std::isfinite(row[c]);
        larger += row[c] > row[target[r]];
      }
      out[r] = known && larger < k;
    }
    return {};
  }

 private:
  std::optional<int64_t> k_;
};

Result<KernelRef> make_in_top_k(const NodeInfo& node) {
  return KernelRef(std::make_unique<InTopKKernel>(node.op() == "InTopK" ? std::optional(node.number("k")) : std::nullopt));
}

}  // namespace

extern const Op TopK_op, TopKV2_op, NthElement_op, InTopK_op, InTopKV2_op;

const Op TopK_op{"TopK", make_top_k};
const Op TopKV2_op{"TopKV2", make_top_k};
const Op NthElement_op{"NthElement", make_nth_element};
const Op InTopK_op{"InTopK", make_in_top_k};
const Op InTopKV2_op{"InTopKV2", make_in_top_k};

}  // namespace ferry::ops
