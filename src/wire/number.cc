#include "wire/number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

namespace ferry {
namespace number {
namespace {

using Wide128 = unsigned __int128;

// value × 2^shift rounded to 53 bits, ties to even; `sticky` says that something not zero lies below the lowest bit.
// Never near the edge of a double's range: value has at most 128 bits and shift is small.
double round_to_double(Wide128 value, int shift, bool sticky) {
  const auto high = static_cast<uint64_t>(value >> 64);
  const int bits = 128 - (high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(static_cast<uint64_t>(value)));
  const int drop = bits - 53;
  if (drop <= 0) {
    // Nothing is dropped, and the callers make enough bits that nothing is sticky either.
    return std::ldexp(static_cast<double>(static_cast<uint64_t>(value)), shift);
  }
  uint64_t kept = static_cast<uint64_t>(value >> drop);
  const Wide128 rest = value & ((Wide128{1} << drop) - 1);
  const Wide128 half = Wide128{1} << (drop - 1);
  if (rest > half || (rest == half && (sticky || (kept & 1)))) ++kept;
  return static_cast<double>(kept) * std::bit_cast<double>(static_cast<uint64_t>(1023 + drop + shift) << 52);
}

bool starts_with_ignoring_case(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && std::equal(word.begin(), word.end(), text.begin(), [](char w, char c) { return w == (c | 0x20); });
}

template <class T>
const char* parse_word(const char* at, const char* end, bool negative, T& out) {
  const std::string_view text(at, static_cast<size_t>(end - at));
  T value;
  size_t size;
  if (starts_with_ignoring_case(text, "nan")) {
    value = std::numeric_limits<T>::quiet_NaN();
    size = 3;
  } else if (starts_with_ignoring_case(text, "inf")) {
    value = std::numeric_limits<T>::infinity();
    size = starts_with_ignoring_case(text, "infinity") ? 8 : 3;
  } else {
    return nullptr;
  }
  out = negative ? -value : value;
  return at + size;
}

// Infinity or zero for text that from_chars found out of range: the place of the first digit that counts decides.
template <class T>
T out_of_range(const char* at, const char* end) {
  int64_t place = 0;  // of the first nonzero digit: 0 is the one before the point
  bool found = false, point = false;
  for (; at != end && (is_digit(*at) || *at == '.'); ++at) {
    if (*at == '.') {
      point = true;
    } else if (found) {
      place += point ? 0 : 1;
    } else {
      found = *at != '0';
      if (point) --place;
    }
  }
  bool down = false;
  int64_t exponent = 0;
  if (at != end) {
    ++at;  // the e
    if (at != end && (*at == '-' || *at == '+')) down = *at++ == '-';
    for (; at != end && is_digit(*at); ++at) exponent = std::min<int64_t>(exponent * 10 + (*at - '0'), int64_t{1} << 50);
  }
  place += down ? -exponent : exponent;
  return place > 0 ? std::numeric_limits<T>::infinity() : T{0};
}

template <class T>
const char* parse_slowly(const char* at, const char* end, T& out) {
  bool negative = false;
  if (at != end && (*at == '-' || *at == '+')) negative = *at++ == '-';
  if (at == end) return nullptr;
  if (!is_digit(*at) && *at != '.') return parse_word(at, end, negative, out);
  T value = 0;
  const auto [after, error] = std::from_chars(at, end, value);
  if (error == std::errc::invalid_argument) return nullptr;
  if (error == std::errc::result_out_of_range) value = out_of_range<T>(at, after);
  out = negative ? -value : value;
  return after;
}

template <class T>
char* print_float(char* at, T value) {
  if (value != value) return std::copy_n("nan", 3, at);
  return std::to_chars(at, at + kNumberText, value).ptr;
}

}  // namespace

const char* parse_long_integer(const char* at, const char* end, uint64_t& magnitude) {
  if (at == end || !is_digit(*at)) return nullptr;
  const auto [after, error] = std::from_chars(at, end, magnitude);
  return error == std::errc() ? after : nullptr;
}

const char* parse_any(const char* at, const char* end, double& out) { return parse_slowly(at, end, out); }
const char* parse_any(const char* at, const char* end, float& out) { return parse_slowly(at, end, out); }

double scale_exactly(uint64_t mantissa, int exponent) {
  if (exponent >= 0) return round_to_double(Wide128{mantissa} * kPowersOfTen[static_cast<size_t>(exponent)], 0, false);
  // The top bit of the dividend is moved to bit 127 by a shift, then the quotient by a number below 2^64 has at least 64 bits.
  const uint64_t divisor = kPowersOfTen[static_cast<size_t>(-exponent)];
  const int lift = std::countl_zero(mantissa);
  const Wide128 dividend = Wide128{mantissa << lift} << 64;
  const Wide128 quotient = dividend / divisor;
  const bool sticky = quotient * divisor != dividend;
  return round_to_double(quotient, -64 - lift, sticky);
}

}  // namespace number

char* print_number(char* at, int64_t value) { return std::to_chars(at, at + kNumberText, value).ptr; }
char* print_number(char* at, uint64_t value) { return std::to_chars(at, at + kNumberText, value).ptr; }
char* print_number(char* at, double value) { return number::print_float(at, value); }
char* print_number(char* at, float value) { return number::print_float(at, value); }

}  // namespace ferry
