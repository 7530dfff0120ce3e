// Decimal → float after D. Lemire, "Number Parsing at a Gigabyte per Second" (2021), with the proofs of N. Mushtak and D. Lemire, "Fast
// Number Parsing Without Fallback" (2022): the digits times 64, and where that cannot decide 128, bits of the power of ten.
#include "wire/decimal.h"
#include "wire/float_layout.h"
#include "wire/powers_of_ten.h"

namespace ferry::number {
namespace {

using Wide128 = unsigned __int128;

template <class T>
bool round_any(uint64_t digits, int64_t exponent, T& out) {
  using Layout = FloatLayout<T>;
  using Bits = typename Layout::Bits;
  constexpr int kFraction = Layout::kFraction;
  constexpr auto kInfinity = static_cast<Bits>(Layout::kExponents << kFraction);
  // Below 2^64 × 10^-343 all doubles are zero, from 10^309 on all are infinite.
  if (digits == 0 || exponent < kFirstPower) {
    out = 0;
    return true;
  }
  if (exponent > 308) {
    out = std::bit_cast<T>(kInfinity);
    return true;
  }
  const int lift = std::countl_zero(digits);
  digits <<= lift;
  const Power& power = power_of_ten(static_cast<int>(exponent));
  const Wide128 product = Wide128{digits} * power.high;
  auto high = static_cast<uint64_t>(product >> 64), low = static_cast<uint64_t>(product);
  // Only where all bits behind those that are kept and one more are set can the power's lower half carry into them.
  constexpr uint64_t kUndecided = ~uint64_t{0} >> (kFraction + 3);
  if ((high & kUndecided) == kUndecided) {
    const auto more = static_cast<uint64_t>(Wide128{digits} * power.low >> 64);
    low += more;
    high += low < more;
    if (low == ~uint64_t{0} && (exponent < -27 || exponent > kLastExactPower)) return false;
  }
  const int top = static_cast<int>(high >> 63);
  const int drop = top + 64 - kFraction - 3;
  uint64_t kept = high >> drop;  // the significand and one bit to round by
  int stored = floor_log2_power(static_cast<int>(exponent)) + 63 + top - lift + Layout::kBias;
  if (stored <= 0) {  // subnormal, or nothing
    if (stored <= -63) {
      out = 0;
      return true;
    }
    kept >>= 1 - stored;
    kept = (kept + (kept & 1)) >> 1;
    // Rounding may have made the smallest normal, whose bits follow on.
    out = std::bit_cast<T>(static_cast<Bits>(kept));
    return true;
  }
  // Exactly between two floats: the even one.
  if (low <= 1 && exponent >= Layout::kFirstTie && exponent <= Layout::kLastTie && (kept & 3) == 1 && kept << drop == high)
    kept &= ~uint64_t{1};
  kept = (kept + (kept & 1)) >> 1;
  // The implicit bit counts as one exponent; a carry into the next power of two as another.
  const uint64_t bits = (static_cast<uint64_t>(stored - 1) << kFraction) + kept;
  out = std::bit_cast<T>(bits >= kInfinity ? kInfinity : static_cast<Bits>(bits));
  return true;
}

}  // namespace

bool round_decimal(uint64_t digits, int64_t exponent, double& out) { return round_any(digits, exponent, out); }
bool round_decimal(uint64_t digits, int64_t exponent, float& out) { return round_any(digits, exponent, out); }

}  // namespace ferry::number
