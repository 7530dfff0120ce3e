// Between a decimal (digits × 10^exponent) and the float nearest to it, without text.
#pragma once

#include <cstdint>

namespace ferry::number {

// digits × 10^exponent rounded to nearest, ties to even; beyond the range infinity or zero. False where 128 bits of the power of ten
// cannot decide, which is so rare that the caller may take its time.
bool round_decimal(uint64_t digits, int64_t exponent, double& out);
bool round_decimal(uint64_t digits, int64_t exponent, float& out);

// The decimal of fewest digits that rounds to a float, the nearest one of these; it may end in zeros. For positive finite values.
struct Decimal {
  uint64_t digits;
  int exponent;
};
Decimal shortest_decimal(double value);
Decimal shortest_decimal(float value);

}  // namespace ferry::number
