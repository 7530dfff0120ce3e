// The bits of IEEE floats, for what rounds decimals to them and prints them.
#pragma once

#include <bit>
#include <cstdint>

namespace ferry::number {

template <class T>
struct FloatLayout;

template <>
struct FloatLayout<double> {
  using Bits = uint64_t;
  static constexpr int kFraction = 52, kBias = 1023;
  static constexpr uint64_t kExponents = 0x7ff;  // as stored: of infinity and NaN
  // Where digits × 10^exponent of 64 bits of digits can lie exactly between two floats: 5^exponent must divide, or fit.
  static constexpr int kFirstTie = -4, kLastTie = 23;
};

template <>
struct FloatLayout<float> {
  using Bits = uint32_t;
  static constexpr int kFraction = 23, kBias = 127;
  static constexpr uint64_t kExponents = 0xff;
  static constexpr int kFirstTie = -17, kLastTie = 10;
};

}  // namespace ferry::number
