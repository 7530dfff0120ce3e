// Text ↔ number, without tensor meaning: what JSON, CSV, Matrix Market and libsvm share.
// Inlined, because a text format calls it for every few bytes; the rare cases are in number.cc.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "wire/decimal.h"

namespace ferry {

// parse_number(at, end, out): the longest number that starts at `at`; returns the byte after it, or null where no number
// starts here or an integer does not fit. `out` is written on success only. Decimal only; a leading '+' is taken; no
// white space is skipped. Bytes in [at, end) are all that is looked at.
//   integers  digits; '-' for the signed ones (and "-0" for the unsigned)
//   floats    "1", "1.", ".5", "1e-3", and NaN, Inf, Infinity in any case with a sign. An exponent without digits is not
//             part of the number. Rounded to nearest, ties to even, always; too large is infinity, too small is zero.
inline const char* parse_number(const char* at, const char* end, uint64_t& out);
inline const char* parse_number(const char* at, const char* end, int64_t& out);
inline const char* parse_number(const char* at, const char* end, double& out);
inline const char* parse_number(const char* at, const char* end, float& out);

// print_number(at, value): the shortest text that parse_number gives back bit for bit (NaNs are one: "nan"; "inf", "-inf").
// Returns the byte after it; at most kNumberText bytes are written.
inline constexpr size_t kNumberText = 48;
char* print_number(char* at, int64_t value);
char* print_number(char* at, uint64_t value);
char* print_number(char* at, double value);
char* print_number(char* at, float value);
// As JSON has it: "1.0" for "1", and NaN, Infinity, -Infinity.
char* print_json_number(char* at, double value);
char* print_json_number(char* at, float value);

// ---- Digits, eight at a time

namespace number {

inline constexpr std::array<uint64_t, 20> kPowersOfTen = [] {
  std::array<uint64_t, 20> powers{1};
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// 10^0 … 10^22 are exact in a double.
inline constexpr std::array<double, 23> kExactPowersOfTen = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                             1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// Up to eight digits at the front of a word whose first character is its lowest byte.
struct Digits {
  uint64_t value;
  unsigned count;
};
inline Digits digits_of(uint64_t word) {
  const uint64_t nibbles = word ^ 0x3030303030303030u;
  // High bit set where a byte is no digit; a carry can only spoil the bytes after the first such.
  const uint64_t others = (nibbles | (nibbles + 0x7676767676767676u)) & 0x8080808080808080u;
  if (others == 0) [[unlikely]] {
    uint64_t pairs = nibbles * 10 + (nibbles >> 8);
    pairs = ((pairs & 0xff000000ffu) * 0x000f424000000064u + ((pairs >> 16) & 0xff000000ffu) * 0x0000271000000001u) >> 32;
    return {pairs, 8};
  }
  const unsigned bit = static_cast<unsigned>(std::countr_zero(others)) - 7;  // eight times the count
  if (bit == 0) return {0, 0};
  const uint64_t aligned = nibbles << (64 - bit);
  uint64_t pairs = aligned * 10 + (aligned >> 8);
  pairs = ((pairs & 0xff000000ffu) * 0x000f424000000064u + ((pairs >> 16) & 0xff000000ffu) * 0x0000271000000001u) >> 32;
  return {pairs, bit / 8};
}

// The next eight bytes, or what is left of them followed by bytes that are no digits.
inline uint64_t load_word(const char* at, const char* end) {
  uint64_t word = 0;
  const size_t left = static_cast<size_t>(end - at);
  if (left >= 8) [[likely]] {
    std::memcpy(&word, at, 8);
  } else {
    for (size_t i = 0; i < left; ++i) word |= uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  }
  return word;
}

// Digits at `at`, appended to `value`; `count` grows by their number. More than 19 in all wrap `value`: look at `count`.
inline const char* take_digits(const char* at, const char* end, uint64_t& value, unsigned& count) {
  for (;;) {
    const Digits digits = digits_of(load_word(at, end));
    value = value * kPowersOfTen[digits.count] + digits.value;
    count += digits.count;
    at += digits.count;
    if (digits.count < 8) return at;
  }
}

// The rare cases, from the start of the text, sign included.
const char* parse_long_integer(const char* at, const char* end, uint64_t& magnitude);  // 20 digits and more
const char* parse_any(const char* at, const char* end, double& out);
const char* parse_any(const char* at, const char* end, float& out);

}  // namespace number

// ---- Integers

inline const char* parse_number(const char* at, const char* end, uint64_t& out) {
  bool negative = false;
  if (at != end && (*at == '+' || *at == '-')) negative = *at++ == '-';
  uint64_t value = 0;
  unsigned count = 0;
  const char* after = number::take_digits(at, end, value, count);
  if (count == 0) return nullptr;
  if (count > 19) [[unlikely]] {
    after = number::parse_long_integer(at, end, value);
    if (after == nullptr) return nullptr;
  }
  if (negative && value != 0) return nullptr;
  out = value;
  return after;
}

inline const char* parse_number(const char* at, const char* end, int64_t& out) {
  bool negative = false;
  if (at != end && (*at == '+' || *at == '-')) negative = *at++ == '-';
  uint64_t value = 0;
  unsigned count = 0;
  const char* after = number::take_digits(at, end, value, count);
  if (count == 0) return nullptr;
  if (count > 18) [[unlikely]] {
    if (count > 19) {
      after = number::parse_long_integer(at, end, value);
      if (after == nullptr) return nullptr;
    }
    if (value > uint64_t{INT64_MAX} + negative) return nullptr;
  }
  out = static_cast<int64_t>(negative ? 0 - value : value);
  return after;
}

// ---- Floats

namespace number {

// Sign, digits and power of ten of the number at `at`.
struct Scanned {
  const char* after;  // null where the digits are none, or more than 64 bits hold
  uint64_t digits;
  int64_t exponent;
  bool negative;
};
inline Scanned scan(const char* at, const char* end) {
  Scanned out{nullptr, 0, 0, false};
  if (at != end && (*at == '-' || *at == '+')) out.negative = *at++ == '-';
  unsigned count = 0;
  at = take_digits(at, end, out.digits, count);
  if (at != end && *at == '.') {
    const unsigned whole = count;
    at = take_digits(at + 1, end, out.digits, count);
    out.exponent = -static_cast<int64_t>(count - whole);
  }
  if (count == 0 || count > 19) [[unlikely]]
    return out;
  if (at != end && (*at | 0x20) == 'e') {
    const char* power = at + 1;
    bool down = false;
    if (power != end && (*power == '-' || *power == '+')) down = *power++ == '-';
    uint64_t value = 0;
    unsigned digits = 0;
    power = take_digits(power, end, value, digits);
    if (digits > 9) [[unlikely]]
      return out;
    if (digits > 0) {
      out.exponent += down ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
      at = power;
    }
  }
  out.after = at;
  return out;
}

// digits × 10^exponent, where both factors are exact in a double: then one operation rounds once.
inline bool is_exact(uint64_t digits, int64_t exponent) { return digits <= uint64_t{1} << 53 && exponent >= -22 && exponent <= 22; }
inline double exact_product(uint64_t digits, int64_t exponent) {
  const auto value = static_cast<double>(digits);
  return exponent < 0 ? value / kExactPowersOfTen[static_cast<size_t>(-exponent)]
                      : value * kExactPowersOfTen[static_cast<size_t>(exponent)];
}
inline bool round_exact(uint64_t digits, int64_t exponent, double& out) {
  out = exact_product(digits, exponent);
  return true;
}
// Rounding twice goes wrong only where the double lies exactly between two floats, and below the normal floats: false there.
inline bool round_exact(uint64_t digits, int64_t exponent, float& out) {
  const double wide = exact_product(digits, exponent);
  const auto bits = std::bit_cast<uint64_t>(wide);
  if ((bits & 0x1fffffff) == 0x10000000 || (wide < 0x1p-126 && digits != 0)) [[unlikely]]
    return false;
  out = static_cast<float>(wide);
  return true;
}

template <class T>
inline const char* parse_float(const char* at, const char* end, T& out) {
  const Scanned scanned = scan(at, end);
  T value;
  if (scanned.after == nullptr) [[unlikely]]
    return parse_any(at, end, out);
  if (!is_exact(scanned.digits, scanned.exponent) || !round_exact(scanned.digits, scanned.exponent, value)) {
    if (!round_decimal(scanned.digits, scanned.exponent, value)) [[unlikely]]
      return parse_any(at, end, out);
  }
  out = scanned.negative ? -value : value;
  return scanned.after;
}

}  // namespace number

inline const char* parse_number(const char* at, const char* end, double& out) { return number::parse_float(at, end, out); }
inline const char* parse_number(const char* at, const char* end, float& out) { return number::parse_float(at, end, out); }

}  // namespace ferry
