// 10^n as 128 bits and a power of two: what rounds text to a float and a float to text.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ferry::number {

// 10^n is about significand × 2^(floor_log2_power(n) - 127), the significand's top bit being set. It is exact for 0 <= n <=
// kLastExactPower, where 5^n has no more than 128 bits, cut off for larger n, and rounded up for negative ones (so that a product that
// would be a whole number is not just below it).
struct Power {
  uint64_t high, low;
};
inline constexpr int kFirstPower = -342, kLastPower = 324, kLastExactPower = 55;

// floor(n × log2(10)), floor(n × log10(2)), floor(n × log10(2) + log10(3/4)) for |n| <= 1200.
constexpr int floor_log2_power(int n) { return (n * 1741647) >> 19; }
constexpr int floor_log10_power(int n) { return (n * 1262611) >> 22; }
constexpr int floor_log10_three_quarters(int n) { return (n * 1262611 - 524031) >> 22; }

using PowerTable = std::array<Power, kLastPower - kFirstPower + 1>;

// The top 128 bits of 5^n and of 2^big / 5^n, counted out in 32-bit digits: division by 5 cuts off, but floor(floor(x / 5) / 5) is
// floor(x / 25), so no error gathers.
constexpr PowerTable make_powers() {
  constexpr size_t kLimbs = 34;
  std::array<uint32_t, kLimbs> limbs{};
  size_t used = 1;
  const auto top = [&]() {
    while (limbs[used - 1] == 0) --used;
    const int shift = std::countl_zero(limbs[used - 1]);
    uint32_t words[4] = {};
    for (size_t i = 0; i < 4 && i < used; ++i) {
      const uint32_t next = i + 1 < used ? limbs[used - 2 - i] : 0;
      words[i] = shift == 0 ? limbs[used - 1 - i] : limbs[used - 1 - i] << shift | next >> (32 - shift);
    }
    return Power{uint64_t{words[0]} << 32 | words[1], uint64_t{words[2]} << 32 | words[3]};
  };
  PowerTable out{};
  limbs[0] = 1;
  for (int n = 0; n <= kLastPower; ++n) {
    out[static_cast<size_t>(n - kFirstPower)] = top();
    uint64_t carry = 0;
    for (size_t i = 0; i < used; ++i) {
      carry += uint64_t{limbs[i]} * 5;
      limbs[i] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) limbs[used++] = static_cast<uint32_t>(carry);
  }
  limbs = {};
  limbs[kLimbs - 1] = uint32_t{1} << 31;
  used = kLimbs;
  for (int n = -1; n >= kFirstPower; --n) {
    uint64_t rest = 0;
    for (size_t i = used; i-- > 0;) {
      rest = rest << 32 | limbs[i];
      limbs[i] = static_cast<uint32_t>(rest / 5);
      rest %= 5;
    }
    Power up = top();
    up.high += ++up.low == 0;
    out[static_cast<size_t>(n - kFirstPower)] = up;
  }
  return out;
}

extern const PowerTable kPowers;
inline const Power& power_of_ten(int n) { return kPowers[static_cast<size_t>(n - kFirstPower)]; }

}  // namespace ferry::number
