// The numbers that number.h leaves out: too many digits, words, nothing at all.
#include "wire/number.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

namespace ferry::number {
namespace {

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

// Text of any length: the first nineteen digits that count, and whether others follow.
struct Long {
  uint64_t digits = 0;
  int64_t exponent = 0;
  bool more = false;
  const char* after = nullptr;  // null where there is no digit
};

Long scan_long(const char* at, const char* end) {
  Long out;
  int kept = 0;
  bool any = false, point = false;
  for (; at != end; ++at) {
    if (*at == '.' && !point) {
      point = true;
      continue;
    }
    if (!is_digit(*at)) break;
    any = true;
    if (kept < 19) {
      out.digits = out.digits * 10 + static_cast<uint64_t>(*at - '0');
      kept += out.digits != 0;
      out.exponent -= point;
    } else {
      out.more |= *at != '0';
      out.exponent += !point;
    }
  }
  if (!any) return out;
  out.after = at;
  if (at == end || (*at | 0x20) != 'e') return out;
  ++at;
  bool down = false;
  if (at != end && (*at == '-' || *at == '+')) down = *at++ == '-';
  if (at == end || !is_digit(*at)) return out;
  int64_t power = 0;
  for (; at != end && is_digit(*at); ++at) power = std::min<int64_t>(power * 10 + (*at - '0'), int64_t{1} << 50);
  out.exponent += down ? -power : power;
  out.after = at;
  return out;
}

template <class T>
const char* parse_slowly(const char* at, const char* end, T& out) {
  bool negative = false;
  if (at != end && (*at == '-' || *at == '+')) negative = *at++ == '-';
  if (at == end) return nullptr;
  if (!is_digit(*at) && *at != '.') return parse_word(at, end, negative, out);
  const Long found = scan_long(at, end);
  if (found.after == nullptr) return nullptr;
  T value = 0, above = 0;
  // The digits left out lie between nothing and one in the last place kept: decided where both round alike.
  bool decided = round_decimal(found.digits, found.exponent, value);
  if (decided && found.more) decided = round_decimal(found.digits + 1, found.exponent, above) && above == value;
  if (!decided) {
    // Within the range, or round_decimal() had known.
    if (std::from_chars(at, found.after, value).ec != std::errc()) return nullptr;
  }
  out = negative ? -value : value;
  return found.after;
}

}  // namespace

const char* parse_long_integer(const char* at, const char* end, uint64_t& magnitude) {
  if (at == end || !is_digit(*at)) return nullptr;
  const auto [after, error] = std::from_chars(at, end, magnitude);
  return error == std::errc() ? after : nullptr;
}

const char* parse_any(const char* at, const char* end, double& out) { return parse_slowly(at, end, out); }
const char* parse_any(const char* at, const char* end, float& out) { return parse_slowly(at, end, out); }

}  // namespace ferry::number
