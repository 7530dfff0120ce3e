// Numbers → text. Floats take one path without branches where they are written without an exponent and their digits fill a few registers,
// which is nearly always; print_rare() does the rest, and is the plain statement of the rules.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <string_view>

#include "wire/decimal.h"
#include "wire/number.h"
#include "wire/shortest.h"

namespace ferry {
namespace number {
namespace {

// Eight decimal digits as the bytes of a word, the first in the lowest.
inline uint64_t spread_digits(uint32_t value) {
  const uint64_t fours = value / 10000 | static_cast<uint64_t>(value % 10000) << 32;
  const uint64_t hundreds = (fours * 10486 >> 20) & 0x0000007f0000007f;
  const uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
  const uint64_t tens = (twos * 103 >> 10) & 0x000f000f000f000f;
  return tens | (twos - tens * 10) << 8;
}
enum class Style : uint8_t { plain, json };

constexpr uint64_t kZeros = 0x3030303030303030;

inline void store(char* at, uint64_t word) { std::memcpy(at, &word, 8); }

// ---- The rules

template <class T>
struct Parts {
  uint64_t c;
  int q;
  bool closer;
};

template <class T>
Parts<T> parts_of(typename FloatLayout<T>::Bits bits) {
  using Layout = FloatLayout<T>;
  const uint64_t fraction = bits & ((uint64_t{1} << Layout::kFraction) - 1);
  const int stored = static_cast<int>(bits >> Layout::kFraction & Layout::kExponents);
  if (stored == 0) return {fraction, 1 - Layout::kBias - Layout::kFraction, false};
  return {fraction | uint64_t{1} << Layout::kFraction, stored - Layout::kBias - Layout::kFraction, fraction == 0 && stored > 1};
}

template <class T>
Decimal shortest(T value) {
  const auto parts = parts_of<T>(std::bit_cast<typename FloatLayout<T>::Bits>(value));
  const Scale<T> scale = make_scale<T>(parts.q, parts.closer, kPowers);
  return {shortest_digits(scale, parts.c, parts.closer), scale.k};
}

char* print_wide(char* at, unsigned __int128 value) {
  constexpr uint64_t kSplit = 1'000'000'000'000'000'000;
  if (value < kSplit) return print_number(at, static_cast<uint64_t>(value));
  at = print_number(at, static_cast<uint64_t>(value / kSplit));
  char rest[kNumberText];
  const auto size = print_number(rest, static_cast<uint64_t>(value % kSplit)) - rest;
  at = std::fill_n(at, 18 - size, '0');
  return std::copy_n(rest, size, at);
}

// The shorter of digits with a point and digits with an exponent, the first where both are as long; whole numbers exactly.
template <Style kStyle, class T>
[[gnu::noinline]] char* print_rare(char* at, T value) {
  using Layout = FloatLayout<T>;
  using Bits = typename Layout::Bits;
  const Bits bits = std::bit_cast<Bits>(value);
  const bool negative = bits >> (sizeof(T) * 8 - 1);
  const Bits magnitude = bits & (~Bits{0} >> 1);
  constexpr auto kInfinity = static_cast<Bits>(Layout::kExponents << Layout::kFraction);
  const auto word = [&](std::string_view text) { return std::copy(text.begin(), text.end(), at); };
  if (magnitude > kInfinity) return word(kStyle == Style::json ? "NaN" : "nan");
  if (negative) *at++ = '-';
  if (magnitude == kInfinity) return word(kStyle == Style::json ? "Infinity" : "inf");
  if (magnitude == 0) return word(kStyle == Style::json ? "0.0" : "0");
  const auto absolute = std::bit_cast<T>(magnitude);
  Decimal decimal = shortest(absolute);
  while (decimal.digits % 10 == 0) {
    decimal.digits /= 10;
    ++decimal.exponent;
  }
  char digits[kNumberText];
  const int n = static_cast<int>(print_number(digits, decimal.digits) - digits);
  const int exponent = decimal.exponent, place = exponent + n - 1;  // of the first digit
  const int with_point = exponent >= 0 ? n + exponent : place >= 0 ? n + 1 : 1 + n - place;
  const int with_exponent = n + (n > 1) + (place > 99 || place < -99 ? 5 : 4);
  if (with_point <= with_exponent) {
    if (exponent >= 0) {
      const auto parts = parts_of<T>(magnitude);
      at = parts.q >= 0 ? print_wide(at, static_cast<unsigned __int128>(parts.c) << parts.q) : print_number(at, parts.c >> -parts.q);
      if constexpr (kStyle == Style::json) at = std::copy_n(".0", 2, at);
    } else if (place >= 0) {
      at = std::copy_n(digits, place + 1, at);
      *at++ = '.';
      at = std::copy(digits + place + 1, digits + n, at);
    } else {
      at = std::copy_n("0.000000", 1 - place, at);
      at = std::copy_n(digits, n, at);
    }
    return at;
  }
  *at++ = digits[0];
  if (n > 1) {
    *at++ = '.';
    at = std::copy(digits + 1, digits + n, at);
  }
  *at++ = 'e';
  *at++ = place < 0 ? '-' : '+';
  const int power = place < 0 ? -place : place;
  if (power > 99) *at++ = static_cast<char>('0' + power / 100);
  *at++ = static_cast<char>('0' + power / 10 % 10);
  *at++ = static_cast<char>('0' + power % 10);
  return at;
}

// ---- The usual case

// One digit shows: these are as short with an exponent, or shorter.
inline bool prefers_exponent(int place) { return place < kFirstShortPlace || place > kLastShortPlace; }

template <Style kStyle>
inline char* print_any(char* at, float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t row = (bits >> 23 & 0xff) - Usual<float>::kFirst;
  if (row > Usual<float>::kLast - Usual<float>::kFirst) [[unlikely]]
    return print_rare<kStyle>(at, value);
  const uint32_t fraction = bits & 0x7fffff;
  const bool closer = fraction == 0;
  const Scale<float>& scale = kFloatScales[2 * row + closer];
  auto digits = static_cast<uint32_t>(shortest_digits(scale, fraction | 0x800000, closer));
  // Nine digits: it has seven to nine.
  constexpr uint32_t kRaise[] = {100, 10, 1};
  const int more = (digits >= 10'000'000) + (digits >= 100'000'000);
  const int place = scale.k + 6 + more;
  digits *= kRaise[more];
  const uint32_t first = digits / 100'000'000;
  const uint64_t rest = spread_digits(digits - first * 100'000'000);
  uint64_t low = first | rest << 8, high = rest >> 56;
  const int shown = 9 - std::countl_zero(rest | 1) / 8 - (rest == 0);
  if (place < kFirstPlace || place > Usual<float>::kLastPlace || (shown == 1 && prefers_exponent(place))) [[unlikely]]
    return print_rare<kStyle>(at, value);
  *at = '-';
  at += bits >> 31;
  // Zeros before the first digit are digits like others; then the whole part is moved over the point.
  const int below = place >> 31, zeros = -place & below, whole = 8 * ((place & ~below) + 1);
  high = high << 8 * zeros | low >> 1 >> (63 - 8 * zeros);
  low <<= 8 * zeros;
  low |= kZeros;
  high |= kZeros;
  store(at, low);
  store(at + 8, high);
  char* const point = at + whole / 8;
  store(point + 1, low >> whole | high << (64 - whole));
  store(point + 9, high >> whole);
  *point = '.';
  const int all = shown + zeros;
  if constexpr (kStyle == Style::json) return at + std::max(all, whole / 8 + 1) + 1;
  return at + (all > whole / 8 ? all + 1 : whole / 8);
}

template <Style kStyle>
inline char* print_any(char* at, double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  const uint32_t row = static_cast<uint32_t>(bits >> 52 & 0x7ff) - Usual<double>::kFirst;
  if (row > Usual<double>::kLast - Usual<double>::kFirst) [[unlikely]]
    return print_rare<kStyle>(at, value);
  const uint64_t fraction = bits & 0xfffffffffffff;
  const bool closer = fraction == 0;
  const Scale<double>& scale = kDoubleScales[2 * row + closer];
  uint64_t digits = shortest_digits(scale, fraction | uint64_t{1} << 52, closer);
  // Seventeen digits: it has sixteen or so.
  constexpr uint64_t kSixteen = 10'000'000'000'000'000;
  const bool more = digits >= kSixteen;
  const int place = scale.k + 15 + more;
  digits *= more ? 1 : 10;
  const uint64_t first = digits / kSixteen;
  digits -= first * kSixteen;
  const uint64_t high = spread_digits(static_cast<uint32_t>(digits / 100'000'000)),
                 low = spread_digits(static_cast<uint32_t>(digits % 100'000'000));
  const int shown = low != 0 ? 17 - std::countl_zero(low) / 8 : 9 - std::countl_zero(high | 1) / 8 - (high == 0);
  if (place < kFirstPlace || place > Usual<double>::kLastPlace || (shown == 1 && prefers_exponent(place))) [[unlikely]]
    return print_rare<kStyle>(at, value);
  *at = '-';
  at += bits >> 63;
  const int below = place >> 31, zeros = -place & below, whole = (place & ~below) + 1;
  char text[48];
  store(text, kZeros);
  text[8] = static_cast<char>('0' + first);
  store(text + 9, high | kZeros);
  store(text + 17, low | kZeros);
  const char* from = text + 8 - zeros;
  std::memcpy(at, from, 16);  // at most fifteen before the point
  std::memcpy(at + whole + 1, from + whole, 24);
  at[whole] = '.';
  const int all = shown + zeros;
  if constexpr (kStyle == Style::json) return at + std::max(all, whole + 1) + 1;
  return at + (all > whole ? all + 1 : whole);
}

}  // namespace

template <class T>
constexpr UsualScales<T> make_scales() {
  const PowerTable powers = make_powers();
  UsualScales<T> out{};
  for (size_t i = 0; i < out.size(); ++i) {
    const int q = static_cast<int>(Usual<T>::kFirst + i / 2) - FloatLayout<T>::kBias - FloatLayout<T>::kFraction;
    out[i] = make_scale<T>(q, i % 2 == 1, powers);
  }
  return out;
}
constexpr auto kMadeFloatScales = make_scales<float>();
constexpr auto kMadeDoubleScales = make_scales<double>();
const UsualScales<float> kFloatScales = kMadeFloatScales;
const UsualScales<double> kDoubleScales = kMadeDoubleScales;

Decimal shortest_decimal(double value) { return shortest(value); }
Decimal shortest_decimal(float value) { return shortest(value); }

}  // namespace number

char* print_number(char* at, int64_t value) { return std::to_chars(at, at + kNumberText, value).ptr; }
char* print_number(char* at, uint64_t value) { return std::to_chars(at, at + kNumberText, value).ptr; }
char* print_number(char* at, double value) { return number::print_any<number::Style::plain>(at, value); }
char* print_number(char* at, float value) { return number::print_any<number::Style::plain>(at, value); }
char* print_json_number(char* at, double value) { return number::print_any<number::Style::json>(at, value); }
char* print_json_number(char* at, float value) { return number::print_any<number::Style::json>(at, value); }

}  // namespace ferry
