// FusedBatchNorm: each channel brought to mean 0 and variance 1, then scaled and moved.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/kernel.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// Channels of [outer, channels, inner]: `inner` is 1 where they are the last axis.
struct Layout {
  int64_t outer, channels, inner;
  int64_t count() const { return outer * inner; }  // elements of one channel
};

template <class T>
void mean_and_variance(const T* x, const Layout& at, std::vector<float>& mean, std::vector<float>& variance) {
  // Summed in double: the order of the sums does not show in a float.
  std::vector<double> sum(static_cast<size_t>(at.channels), 0), square(static_cast<size_t>(at.channels), 0);
  const auto each = [&](auto&& visit) {
    for (int64_t o = 0; o < at.outer; ++o) {
      for (int64_t c = 0; c < at.channels; ++c) {
        const T* const from = x + (o * at.channels + c) * at.inner;
        for (int64_t i = 0; i < at.inner; ++i) visit(static_cast<size_t>(c), static_cast<double>(to_arithmetic(from[i])));
      }
    }
  };
  each([&](size_t c, double v) { sum[c] += v; });
  for (double& s : sum) s /= static_cast<double>(at.count());
  each([&](size_t c, double v) { square[c] += (v - sum[c]) * (v - sum[c]); });
  for (size_t c = 0; c < sum.size(); ++c) {
    mean[c] = static_cast<float>(sum[c]);
    variance[c] = static_cast<float>(square[c] / static_cast<double>(at.count()));
  }
}

using NormLoop = void (*)(const void* in, void* out, const Layout& at, int64_t begin, int64_t end, const float* mean, const float* factor,
                          const float* offset);
template <class T>
void normalize(const void* in, void* out, const Layout& at, int64_t begin, int64_t end, const float* mean, const float* factor,
               const float* offset) {
  for (int64_t o = begin; o < end; ++o) {
    const T* const x = static_cast<const T*>(in) + o * at.channels * at.inner;
    T* const y = static_cast<T*>(out) + o * at.channels * at.inner;
    if (at.inner == 1) {
      for (int64_t c = 0; c < at.channels; ++c) y[c] = static_cast<T>((to_arithmetic(x[c]) - mean[c]) * factor[c] + offset[c]);
      continue;
    }
    for (int64_t c = 0; c < at.channels; ++c) {
      const float m = mean[c], f = factor[c], b = offset[c];
      for (int64_t i = c * at.inner; i < (c + 1) * at.inner; ++i) y[i] = static_cast<T>((to_arithmetic(x[i]) - m) * f + b);
    }
  }
}

class BatchNormKernel final : public Kernel {
 public:
  explicit BatchNormKernel(const NodeInfo& node)
      : epsilon_(static_cast<float>(node.real("epsilon"))),
        average_(static_cast<float>(node.real("exponential_avg_factor"))),
        training_(node.flag("is_training")),
        format_(node.text("data_format")) {
    with_type(node.input_dtypes()[0], Types<float, Half, BFloat16>{}, [&]<class T>(TypeTag<T>) {
      loop_ = normalize<T>;
      moments_ = [](const void* x, const Layout& at, std::vector<float>& mean, std::vector<float>& variance) {
        mean_and_variance(static_cast<const T*>(x), at, mean, variance);
      };
    });
  }
  bool made() const { return loop_ != nullptr; }

  Status run(Call& call) const override {
    const Shape& x = call.shape(0);
    const bool first = format_.starts_with("NC");
    const size_t rank = format_.size();
    if (x.rank() != rank) return invalid_argument(concat("input must be ", rank, "-dimensional", x.to_string()));
    const size_t axis = first ? 1 : rank - 1;
    const int64_t channels = x[axis];
    const bool blank = training_ && average_ == 1.0f;  // the running values take no part
    constexpr std::string_view kNames[] = {"x", "scale", "offset", "mean", "variance"};
    for (size_t i = 1; i < 5; ++i) {
      const Shape& s = call.shape(i);
      if (s.rank() != 1) return invalid_argument(concat(kNames[i], " must be 1-dimensional", s.to_string()));
      const bool may_be_empty = blank && i >= 3;
      if (s[0] != channels && !(may_be_empty && s[0] == 0)) {
        return invalid_argument(
            concat(kNames[i], " must have the same number of elements as the channels of x, got ", s[0], " and ", channels));
      }
    }
    FERRY_ASSIGN_OR_RETURN(std::byte* const y, call.make(0, call.in(0).dtype(), x));
    std::span<float> out[4];
    for (size_t i = 0; i < 4; ++i) {
      FERRY_ASSIGN_OR_RETURN(out[i], call.make<float>(i + 1, DType::float32, Shape{channels}));
    }
    if (call.num_outputs() > 5) {
      // Nobody reads it forwards; TensorFlow's kernels differ in its shape.
      FERRY_ASSIGN_OR_RETURN(const std::span<float> reserved,
                             call.make<float>(5, DType::float32, call.in(0).dtype() != DType::float16 && rank == 4 ? Shape{0} : Shape{}));
      std::ranges::fill(reserved, 0.0f);
    }
    const auto fill = [&](size_t i, std::span<const float> from) { std::ranges::copy(from, out[i].begin()); };
    const std::span<const float> scale = call.values<float>(1), offset = call.values<float>(2), old_mean = call.values<float>(3),
                                 old_variance = call.values<float>(4);
    if (call.in(0).num_elements() == 0) {
      for (size_t i = 0; i < 2; ++i) std::ranges::fill(out[i], std::numeric_limits<float>::quiet_NaN());
      for (size_t i = 2; i < 4; ++i) std::ranges::fill(out[i], 0.0f);
      return {};
    }
    Layout at{1, channels, *x.drop_front(axis + 1).num_elements()};
    at.outer = call.in(0).num_elements() / (channels * at.inner);

    std::vector<float> mean(old_mean.begin(), old_mean.end()), variance(old_variance.begin(), old_variance.end());
    if (training_) {
      mean.resize(static_cast<size_t>(channels));
      variance.resize(static_cast<size_t>(channels));
      moments_(call.in(0).raw(), at, mean, variance);
      const auto n = static_cast<float>(at.count());
      const float unbiased = n / std::max(n - 1.0f, 1.0f);
      for (size_t c = 0; c < mean.size(); ++c) {
        out[0][c] = blank ? mean[c] : (1.0f - average_) * old_mean[c] + average_ * mean[c];
        out[1][c] = blank ? variance[c] * unbiased : (1.0f - average_) * old_variance[c] + average_ * unbiased * variance[c];
      }
    } else {
      fill(0, mean);
      fill(1, variance);
    }
    fill(2, mean);
    fill(3, variance);
    std::vector<float> factor(static_cast<size_t>(channels));
    for (size_t c = 0; c < factor.size(); ++c) factor[c] = 1.0f / std::sqrt(variance[c] + epsilon_) * scale[c];
    parallel_for(call.run().pool, at.outer, std::max<int64_t>(1, 32768 / (channels * at.inner)), [&](int64_t begin, int64_t end) {
      loop_(call.in(0).raw(), y, at, begin, end, mean.data(), factor.data(), offset.data());
    });
    return {};
  }

 private:
  float epsilon_, average_;
  bool training_;
  std::string format_;
  NormLoop loop_ = nullptr;
  void (*moments_)(const void*, const Layout&, std::vector<float>&, std::vector<float>&) = nullptr;
};

Result<KernelRef> make_batch_norm(const NodeInfo& node) {
  auto out = std::make_unique<BatchNormKernel>(node);
  if (!out->made()) return no_kernel(node.op(), node.input_dtypes()[0]);
  return KernelRef(std::move(out));
}

}  // namespace

extern const Op FusedBatchNorm_op, FusedBatchNormV2_op, FusedBatchNormV3_op;

const Op FusedBatchNorm_op{"FusedBatchNorm", make_batch_norm};
const Op FusedBatchNormV2_op{"FusedBatchNormV2", make_batch_norm};
const Op FusedBatchNormV3_op{"FusedBatchNormV3", make_batch_norm};

}  // namespace ferry::ops
