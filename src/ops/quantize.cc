// QuantizeV2: floats kept as small integers, with the range that they stand for.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/kernel.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// The integer that the elements of a quantized dtype are.
template <class F>
bool with_quantized(DType dtype, F&& f) {
  switch (dtype) {
    case DType::qint8: f(TypeTag<int8_t>{}); return true;
    case DType::quint8: f(TypeTag<uint8_t>{}); return true;
    case DType::qint16: f(TypeTag<int16_t>{}); return true;
    case DType::quint16: f(TypeTag<uint16_t>{}); return true;
    case DType::qint32: f(TypeTag<int32_t>{}); return true;
    default: return false;
  }
}

class QuantizeKernel final : public Kernel {
 public:
  enum class Mode { min_combined, min_first, scaled };
  QuantizeKernel(const NodeInfo& node, Mode mode)
      : dtype_(node.output_dtypes()[0]),
        mode_(mode),
        to_even_(node.text("round_mode") == "HALF_TO_EVEN"),
        narrow_(node.flag("narrow_range")),
        axis_(node.number("axis")),
        least_range_(static_cast<float>(node.real("ensure_minimum_range"))) {}

  Status run(Call& call) const override {
    const DenseTensor& x = call.in(0);
    const auto rank = static_cast<int64_t>(x.shape().rank());
    if (axis_ >= rank) return invalid_argument(concat("Axis must be less than input dimension(", rank, "), got ", axis_));
    const int64_t channels = axis_ < 0 ? 1 : x.shape()[static_cast<size_t>(axis_)];
    for (const size_t i : {1, 2}) {
      const bool fits = axis_ < 0 ? call.in(i).num_elements() == 1 : call.shape(i).rank() == 1 && call.in(i).num_elements() == channels;
      if (!fits) {
        return invalid_argument(concat(i == 1 ? "input_min_range" : "input_max_range", " must have ", channels, " elements, its shape is ",
                                       call.shape(i).to_string()));
      }
    }
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, dtype_, x.shape()));
    const Shape ends = axis_ < 0 ? Shape{} : Shape{channels};
    FERRY_ASSIGN_OR_RETURN(const std::span<float> lows, call.make<float>(1, DType::float32, ends));
    FERRY_ASSIGN_OR_RETURN(const std::span<float> highs, call.make<float>(2, DType::float32, ends));
    const int64_t inner = axis_ < 0 ? x.num_elements() : *x.shape().drop_front(static_cast<size_t>(axis_) + 1).num_elements();
    const int64_t outer = x.num_elements() == 0 ? 0 : x.num_elements() / (channels * inner);
    Status status;
    with_quantized(dtype_, [&]<class T>(TypeTag<T>) {
      for (int64_t c = 0; c < channels && status.ok(); ++c) {
        const auto at = static_cast<size_t>(c);
        float low = call.values<float>(1)[at], high = call.values<float>(2)[at];
        if (!std::isfinite(low) || !std::isfinite(high)) status = invalid_argument("min_range and max_range must be finite");
        if (high < low) status = invalid_argument("input_max_range must be larger than input_min_range.");
        if (!status.ok()) return;
        // 0 is within, and the ends are apart.
        const float apart = std::max(1.0f, std::max(std::abs(low), std::abs(high))) * least_range_;
        low = std::min(0.0f, low);
        high = std::max(0.0f, std::max(high, low + apart));
        const auto each = [&](auto&& quantized) {
          const float* const from = call.values<float>(0).data();
          for (int64_t o = 0; o < outer; ++o) {
            for (int64_t i = (o * channels + c) * inner; i < (o * channels + c + 1) * inner; ++i) {
              reinterpret_cast<T*>(out)[i] = bounded<T>(quantized(from[i]));
            }
          }
        };
        quantize<T>(low, high, each);
        lows[at] = low;
        highs[at] = high;
      }
    });
    return status;
  }

 private:
  // NaN and what no T holds have no meaning in C++; TensorFlow's are the machine's.
  template <class T>
  static T bounded(float value) {
    if (!(value > static_cast<float>(std::numeric_limits<T>::lowest()))) return std::numeric_limits<T>::lowest();
    if (value >= static_cast<float>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    return static_cast<T>(value);
  }

  template <class T, class Each>
  void quantize(float& low, float& high, Each&& each) const {
    constexpr double kLeast = std::numeric_limits<T>::lowest(), kMost = std::numeric_limits<T>::max();
    const float bottom = low, top = high;
    const auto clamped = [&](float x) { return std::max(std::min(x, top), bottom); };
    if (mode_ == Mode::min_combined) {
      const auto scale = static_cast<float>((kMost - kLeast) / static_cast<double>(top - bottom));
      constexpr auto kHalf = static_cast<float>(std::is_signed_v<T> ? (kMost - kLeast + 1) / 2 : 0);
      each([&](float x) {
        const float moved = (clamped(x) - bottom) * scale;
        return std::is_signed_v<T> ? std::round(moved - kHalf) : std::floor(moved + 0.5f);
      });
    } else if (mode_ == Mode::min_first) {
      const double steps = std::ldexp(1.0, static_cast<int>(sizeof(T)) * 8);
      const double range = static_cast<double>(top - bottom) * (steps / (steps - 1.0));
      const auto scale = static_cast<float>(steps / range);
      const float first = std::round(bottom * scale);
      each([&](float x) { return std::max(std::round(x * scale) - first + static_cast<float>(kLeast), static_cast<float>(kLeast)); });
    } else {
      constexpr float kNever = std::numeric_limits<float>::max();
      const auto least = static_cast<float>(kLeast + (narrow_ ? 1 : 0)), most = static_cast<float>(kMost);
      const float from_low = least * low > 0 ? least / low : kNever, from_high = most * high > 0 ? most / high : kNever;
      const float scale = std::min(from_low, from_high);
      low = least / scale;
      high = most / scale;
      const float from = low, to = high;
      each([&](float x) {
        const float v = std::max(std::min(x, to), from) * scale;
        return to_even_ ? std::nearbyint(v) : std::round(v);
      });
    }
  }

  DType dtype_;
  Mode mode_;
  bool to_even_, narrow_;
  int64_t axis_;
  float least_range_;
};

Result<KernelRef> make_quantize(const NodeInfo& node) {
  const std::string mode = node.text("mode"), round = node.text("round_mode");
  if (mode != "MIN_COMBINED" && mode != "MIN_FIRST" && mode != "SCALED") {
    return invalid_argument(concat("Mode string must be 'MIN_COMBINED', 'MIN_FIRST', or 'SCALED', is '", mode, "'"));
  }
  if (round != "HALF_AWAY_FROM_ZERO" && round != "HALF_TO_EVEN") {
    return invalid_argument(concat("Round mode string must be 'HALF_AWAY_FROM_ZERO' or 'HALF_TO_EVEN', is '", round, "'"));
  }
  if (mode != "SCALED" && round == "HALF_TO_EVEN") {
    return invalid_argument(concat("Round mode 'HALF_TO_EVEN' only supported for mode 'SCALED', but mode is '", mode, "'."));
  }
  if (node.number("axis") < -1) return invalid_argument(concat("Axis must be at least -1. Found ", node.number("axis")));
  const auto kind = mode == "SCALED"      ? QuantizeKernel::Mode::scaled
                    : mode == "MIN_FIRST" ? QuantizeKernel::Mode::min_first
                                          : QuantizeKernel::Mode::min_combined;
  return KernelRef(std::make_unique<QuantizeKernel>(node, kind));
}

}  // namespace

extern const Op QuantizeV2_op;
const Op QuantizeV2_op{"QuantizeV2", make_quantize};

}  // namespace ferry::ops
