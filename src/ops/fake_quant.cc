// Numbers moved to the nearest of a few and back: FakeQuant, QuantizeAndDequantize.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/kernel.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// ---- FakeQuant: the range is moved so that 0 is among the numbers

struct Steps {
  float low, high, scale, inverse, zero;
};
Steps steps_of(float low, float high, int64_t first, int64_t last) {
  const auto least = static_cast<float>(first), most = static_cast<float>(last);
  Steps out{};
  out.scale = (high - low) / (most - least);
  out.inverse = (most - least) / (high - low);
  const float from_low = least - low / out.scale;
  const float zero = !(from_low >= least) ? least : from_low > most ? most : std::round(from_low);
  out.low = (least - zero) * out.scale;
  out.high = (most - zero) * out.scale;
  out.zero = std::floor(-out.low * out.inverse + 0.5f);
  return out;
}

float clamped(float x, const Steps& s) {
  x = s.high < x ? s.high : x;
  return x < s.low ? s.low : x;
}

class FakeQuantKernel final : public Kernel {
 public:
  enum class Range { attributes, inputs, by_channel };
  FakeQuantKernel(const NodeInfo& node, Range range)
      : range_(range), first_(node.flag("narrow_range") ? 1 : 0), last_((int64_t{1} << node.number("num_bits")) - 1) {
    if (range == Range::attributes) {
      low_ = static_cast<float>(node.real("min"));
      high_ = static_cast<float>(node.real("max"));
    }
  }
  float low() const { return low_; }
  float high() const { return high_; }

  Status run(Call& call) const override {
    const DenseTensor& x = call.in(0);
    int64_t channels = 1;
    std::vector<float> lows{low_}, highs{high_};
    if (range_ != Range::attributes) {
      const size_t rank = range_ == Range::by_channel ? 1 : 0;
      if (range_ == Range::by_channel) {
        if (x.shape().rank() < 1) return invalid_argument(concat("input must be at least 1-D, got ", x.shape().to_string()));
        channels = x.shape()[x.shape().rank() - 1];
      }
      for (const size_t i : {1, 2}) {
        if (call.shape(i).rank() != rank)
          return invalid_argument(concat(i == 1 ? "`min`" : "`max`", " must be rank ", rank, " but is rank ", call.shape(i).rank()));
        if (call.in(i).num_elements() != channels) {
          return invalid_argument(
              concat(i == 1 ? "min" : "max", " has incorrect size, expected ", channels, " was ", call.in(i).num_elements()));
        }
      }
      lows.assign(call.values<float>(1).begin(), call.values<float>(1).end());
      highs.assign(call.values<float>(2).begin(), call.values<float>(2).end());
    }
    FERRY_ASSIGN_OR_RETURN(const std::span<float> out, call.make<float>(0, DType::float32, x.shape()));
    const float* const in = call.values<float>(0).data();
    const int64_t count = x.num_elements();
    for (int64_t c = 0; c < channels; ++c) {
      const float low = lows[static_cast<size_t>(c)], high = highs[static_cast<size_t>(c)];
      if (range_ != Range::attributes && low == 0.0f && high == 0.0f) {
        for (int64_t i = c; i < count; i += channels) out[static_cast<size_t>(i)] = 0.0f;
        continue;
      }
      const Steps s = steps_of(low, high, first_, last_);
      const bool divides = range_ == Range::inputs;  // as TensorFlow does there: the last bit depends on it
      for (int64_t i = c; i < count; i += channels) {
        const float moved = clamped(in[i], s) - s.low;
        out[static_cast<size_t>(i)] = std::floor((divides ? moved / s.scale : moved * s.inverse) - s.zero + 0.5f) * s.scale;
      }
    }
    return {};
  }

 private:
  Range range_;
  int64_t first_, last_;
  float low_ = 0, high_ = 0;
};

template <FakeQuantKernel::Range kRange>
Result<KernelRef> make_fake_quant(const NodeInfo& node) {
  const int64_t bits = node.number("num_bits");
  if (bits < 2 || bits > 16) return invalid_argument(concat("num_bits must be between 2 and 16, inclusive"));
  auto out = std::make_unique<FakeQuantKernel>(node, kRange);
  if (kRange == FakeQuantKernel::Range::attributes && !(out->low() < out->high())) {
    return invalid_argument(concat("min has to be smaller than max, was: ", out->low(), " >= ", out->high()));
  }
  return KernelRef(std::move(out));
}

// ---- QuantizeAndDequantize

template <class T>
struct Scale {
  T low, high, scale, inverse;
};
template <class T>
Scale<T> scale_of(T low, T high, int64_t bits, bool is_signed, bool narrow) {
  const auto least = static_cast<T>(is_signed ? -(int64_t{1} << (bits - 1)) + (narrow ? 1 : 0) : 0);
  const auto most = static_cast<T>(is_signed ? (int64_t{1} << (bits - 1)) - 1 : (int64_t{1} << bits) - 1);
  const T from_low = least * low > 0 ? least / low : std::numeric_limits<T>::max();
  const T from_high = most * high > 0 ? most / high : std::numeric_limits<T>::max();
  Scale<T> out{low, high, 0, 0};
  if (from_low < from_high) {
    out.scale = from_low;
    out.inverse = low / least;
    out.high = most * out.inverse;
  } else {
    out.scale = from_high;
    out.inverse = high / most;
    out.low = least * out.inverse;
  }
  return out;
}

class RoundTripKernel final : public Kernel {
 public:
  explicit RoundTripKernel(const NodeInfo& node)
      : signed_(node.flag("signed_input")),
        range_given_(node.flag("range_given")),
        narrow_(node.spec().attr("narrow_range") != nullptr && node.flag("narrow_range")),
        half_up_(node.spec().attr("round_mode") != nullptr && node.text("round_mode") == "HALF_UP") {
    if (node.spec().attr("num_bits") != nullptr) bits_ = node.number("num_bits");
    if (node.spec().attr("axis") != nullptr) axis_ = node.number("axis");
    if (node.spec().attr("input_min") != nullptr) {
      given_ = std::pair(node.real("input_min"), node.real("input_max"));
    }
  }
  Status check() const {
    if (bits_) FERRY_RETURN_IF_ERROR(check_bits(*bits_));
    if (axis_ < -1) return invalid_argument(concat("Axis must be at least -1. Found ", axis_));
    if (given_ && range_given_ && given_->first > given_->second) {
      return invalid_argument(concat("Invalid range: input_min ", given_->first, " > input_max ", given_->second));
    }
    return {};
  }
  Status run(Call& call) const override { return call.in(0).dtype() == DType::float64 ? typed<double>(call) : typed<float>(call); }

 private:
  Status check_bits(int64_t bits) const {
    if (bits > 0 && bits < (signed_ ? 62 : 63)) return {};
    return invalid_argument(concat("num_bits is out of range: ", bits, " with signed_input_ ", signed_));
  }

  template <class T>
  Status typed(Call& call) const {
    const DenseTensor& x = call.in(0);
    const auto rank = static_cast<int64_t>(x.shape().rank());
    if (axis_ >= rank)
      return invalid_argument(concat("Axis should be -1 or 0 or a positive value less than ", rank, "but given axis value was ", axis_));
    int64_t bits = bits_.value_or(8);
    if (!bits_) {
      if (call.in(3).num_elements() != 1) return invalid_argument("Invalid shape: num_bits must be a scalar");
      FERRY_ASSIGN_OR_RETURN(bits, call.integer(3));
      FERRY_RETURN_IF_ERROR(check_bits(bits));
    }
    const int64_t channels = axis_ < 0 ? 1 : x.shape()[static_cast<size_t>(axis_)];
    const int64_t inner = axis_ < 0 ? x.num_elements() : *x.shape().drop_front(static_cast<size_t>(axis_) + 1).num_elements();
    std::span<const T> lows, highs;
    T low_attr = 0, high_attr = 0;
    if (range_given_ && given_) {
      low_attr = static_cast<T>(given_->first);
      high_attr = static_cast<T>(given_->second);
      lows = {&low_attr, 1};
      highs = {&high_attr, 1};
    } else if (range_given_) {
      for (const size_t i : {1, 2}) {
        const bool fits = axis_ < 0 ? call.in(i).num_elements() == 1 : call.shape(i).rank() == 1 && call.in(i).num_elements() == channels;
        if (!fits) {
          return invalid_argument(concat(i == 1 ? "input_min_tensor" : "input_max_tensor", " has incorrect size, was ",
                                         call.in(i).num_elements(), " expected ", channels, " with shape ", call.shape(i).to_string()));
        }
      }
      lows = call.values<T>(1);
      highs = call.values<T>(2);
      for (size_t c = 0; c < lows.size(); ++c) {  // V3 looks at no channel's range
        if (lows[c] > highs[c] && (axis_ < 0 || bits_))
          return invalid_argument(concat("Invalid range: input_min ", lows[c], " > input_max ", highs[c]));
      }
    }
    FERRY_ASSIGN_OR_RETURN(const std::span<T> out, call.make<T>(0, x.dtype(), x.shape()));
    if (x.num_elements() == 0) return {};
    const T* const in = x.values<T>().data();
    const int64_t outer = x.num_elements() / (channels * inner);
    for (int64_t c = 0; c < channels; ++c) {
      const auto each = [&](auto&& visit) {
        for (int64_t o = 0; o < outer; ++o) {
          for (int64_t i = 0; i < inner; ++i) visit((o * channels + c) * inner + i);
        }
      };
      T low = 0, high = 0;
      if (range_given_) {
        low = lows[static_cast<size_t>(c)];
        high = highs[static_cast<size_t>(c)];
      } else {
        low = std::numeric_limits<T>::infinity();
        high = -low;
        each([&](int64_t i) {
          low = std::min(low, in[i]);
          high = std::max(high, in[i]);
        });
      }
      const Scale<T> s = scale_of(low, high, bits, signed_, narrow_);
      each([&](int64_t i) {
        T v = in[i];
        if (range_given_) {
          v = s.high < v ? s.high : v;
          v = v < s.low ? s.low : v;
        }
        v *= s.scale;
        out[static_cast<size_t>(i)] = (half_up_ ? std::floor(v + T(0.5)) : std::nearbyint(v)) * s.inverse;
      });
    }
    return {};
  }

  bool signed_, range_given_, narrow_, half_up_;
  std::optional<int64_t> bits_;
  int64_t axis_ = -1;
  std::optional<std::pair<double, double>> given_;
};

Result<KernelRef> make_round_trip(const NodeInfo& node) {
  auto out = std::make_unique<RoundTripKernel>(node);
  FERRY_RETURN_IF_ERROR(out->check());
  return KernelRef(std::move(out));
}

}  // namespace

extern const Op FakeQuantWithMinMaxArgs_op, FakeQuantWithMinMaxVars_op, FakeQuantWithMinMaxVarsPerChannel_op, QuantizeAndDequantize_op,
    QuantizeAndDequantizeV2_op, QuantizeAndDequantizeV3_op, QuantizeAndDequantizeV4_op;

const Op FakeQuantWithMinMaxArgs_op{"FakeQuantWithMinMaxArgs", make_fake_quant<FakeQuantKernel::Range::attributes>};
const Op FakeQuantWithMinMaxVars_op{"FakeQuantWithMinMaxVars", make_fake_quant<FakeQuantKernel::Range::inputs>};
const Op FakeQuantWithMinMaxVarsPerChannel_op{"FakeQuantWithMinMaxVarsPerChannel", make_fake_quant<FakeQuantKernel::Range::by_channel>};
const Op QuantizeAndDequantize_op{"QuantizeAndDequantize", make_round_trip};
const Op QuantizeAndDequantizeV2_op{"QuantizeAndDequantizeV2", make_round_trip};
const Op QuantizeAndDequantizeV3_op{"QuantizeAndDequantizeV3", make_round_trip};
const Op QuantizeAndDequantizeV4_op{"QuantizeAndDequantizeV4", make_round_trip};

}  // namespace ferry::ops
