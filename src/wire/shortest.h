// Schubfach: the shortest decimal that rounds to a float. After R. Giulietti, "The Schubfach way to render doubles" (2020), whose names
// are given in the comments. A float is c × 2^q; all decimals that round to it lie between its left and right bounds, half way to its
// neighbours. 10^k is the power of ten just below the width of that interval, so at most one multiple of 10^(k+1) lies in it, and
// at least one of 10^k does.
#pragma once

#include <cstdint>

#include "wire/float_layout.h"
#include "wire/powers_of_ten.h"

namespace ferry::number {

// What depends on the binary exponent only: k, and ten^-k (g of the paper, rounded up) that turns the bounds, shifted left by h, into
// multiples of 10^k / 4.
template <class T>
struct Scale;

template <>
struct Scale<float> {
  uint64_t ten;
  int32_t k;
  uint32_t h;
};

template <>
struct Scale<double> {
  uint64_t ten_high, ten_low;
  int32_t k;
  uint32_t h;
};

// `closer`: the left neighbour is only half as far as the right one, as it is for c = 2^kFraction.
template <class T>
constexpr Scale<T> make_scale(int q, bool closer, const PowerTable& powers) {
  const int k = closer ? floor_log10_three_quarters(q) : floor_log10_power(q);
  const Power& power = powers[static_cast<size_t>(-k - kFirstPower)];
  const auto h = static_cast<uint32_t>(q + floor_log2_power(-k) + 1);
  if constexpr (sizeof(T) == 4) {
    return {power.high + (power.low != 0), k, h};
  } else {
    const uint64_t low = power.low + (-k > kLastExactPower);
    return {power.high + (low < power.low), low, k, h};
  }
}

// floor(ten^-k × bound), its lowest bit set where something was cut off ("round to odd").
inline uint64_t scaled(const Scale<float>& scale, uint64_t bound) {
  const unsigned __int128 product = static_cast<unsigned __int128>(scale.ten) * (bound << scale.h);
  return static_cast<uint64_t>(product >> 64) | (static_cast<uint64_t>(product) >> 32 > 1);
}
inline uint64_t scaled(const Scale<double>& scale, uint64_t bound) {
  bound <<= scale.h;
  const auto carried = static_cast<uint64_t>(static_cast<unsigned __int128>(scale.ten_low) * bound >> 64);
  const unsigned __int128 product = static_cast<unsigned __int128>(scale.ten_high) * bound + carried;
  return static_cast<uint64_t>(product >> 64) | (static_cast<uint64_t>(product) > 1);
}

// The shortest decimal in units of 10^k, for the significand c. Without branches: which candidate wins is a coin toss.
template <class T>
inline uint64_t shortest_digits(const Scale<T>& scale, uint64_t c, bool closer) {
  const bool odd = c & 1;  // the bounds themselves round to an even c only
  const uint64_t left = scaled(scale, 4 * c - 2 + closer) + odd;
  const uint64_t middle = scaled(scale, 4 * c);
  const uint64_t right = scaled(scale, 4 * c + 2) - odd;
  const uint64_t s = middle / 4;
  const uint64_t tens = s / 10;
  const uint64_t ten_below = left <= 40 * tens, ten_above = 40 * tens + 40 <= right;
  const uint64_t one_below = left <= 4 * s, one_above = 4 * s + 4 <= right;
  const uint64_t nearer_above = (middle & 3) + (s & 1) > 2;  // beyond s + 1/2, or there and s is odd
  const uint64_t one_decides = one_below ^ one_above, ten_decides = (ten_below ^ ten_above) & (s >= 10);
  const uint64_t by_ones = s + ((one_above & one_decides) | (nearer_above & ~one_decides));
  const uint64_t by_tens = 10 * (tens + ten_above);
  return by_ones ^ ((by_ones ^ by_tens) & (0 - ten_decides));
}

// Binary exponents, as stored, of what can have its first digit between the places kFirstPlace and kLastPlace, 0 being that of the ones.
// Such a number is written without an exponent, unless it has one digit only and is not between the places kFirstShortPlace and
// kLastShortPlace.
template <class T>
struct Usual;
template <>
struct Usual<float> {
  static constexpr uint32_t kFirst = 113, kLast = 150;  // 2^-14 to 2^24: integers up to there are exact
  static constexpr int kLastPlace = 6;
};
template <>
struct Usual<double> {
  static constexpr uint32_t kFirst = 1009, kLast = 1072;  // 2^-14 to 2^50
  static constexpr int kLastPlace = 14;
};
inline constexpr int kFirstPlace = -4, kFirstShortPlace = -3, kLastShortPlace = 4;

// For exponent e and for e with a closer neighbour, in turn.
template <class T>
using UsualScales = std::array<Scale<T>, 2 * (Usual<T>::kLast - Usual<T>::kFirst + 1)>;
extern const UsualScales<float> kFloatScales;
extern const UsualScales<double> kDoubleScales;

}  // namespace ferry::number
