// Lists of numbers ← text. On x86 a number of less than sixteen characters, which most are, takes one path without branches: its end and
// its point are found by comparing sixteen characters at once, a shuffle takes the point out and aligns the digits to the right, three
// multiplications make them a number. Digits and power of ten are then both exact in a double.
#include <bit>
#include <limits>
#include <type_traits>

#include "wire/json_list.h"
#include "wire/number.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wire/json_list_parse.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"

#ifndef FERRY_WIRE_JSON_LIST_PARSE
#define FERRY_WIRE_JSON_LIST_PARSE
namespace ferry::json {
namespace {

inline bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
inline const char* skip_space(const char* at, const char* end) {
  while (at != end && is_space(*at)) ++at;
  return at;
}
inline bool starts_number(const char* at, const char* end) {
  return at != end && (number::is_digit(*at) || *at == '-' || *at == 'N' || *at == 'I');
}

// One number in JSON's grammar that T holds; null for anything else.
template <class T>
const char* parse_strictly(const char* at, const char* end, T& out) {
  const char* const start = at;
  if (at != end && *at == '-') ++at;
  if (at == end || !number::is_digit(*at)) return nullptr;
  uint64_t digits = 0;
  unsigned count = 0;
  const char* const first = at;
  at = number::take_digits(at, end, digits, count);
  if (*first == '0' && count > 1) return nullptr;
  if constexpr (std::is_integral_v<T>) {
    if (at != end && (*at == '.' || (*at | 0x20) == 'e')) return nullptr;
    return parse_number(start, at, out);
  } else {
    int64_t exponent = 0;
    if (at != end && *at == '.') {
      const unsigned whole = count;
      at = number::take_digits(at + 1, end, digits, count);
      if (count == whole) return nullptr;
      exponent = -static_cast<int64_t>(count - whole);
    }
    if (at != end && (*at | 0x20) == 'e') {
      ++at;
      const bool down = at != end && *at == '-';
      if (at != end && (*at == '-' || *at == '+')) ++at;
      uint64_t power = 0;
      unsigned places = 0;
      at = number::take_digits(at, end, power, places);
      if (places == 0) return nullptr;
      if (places > 9) count = 20;  // for the careful parser
      exponent += down ? -static_cast<int64_t>(power) : static_cast<int64_t>(power);
    }
    T value;
    if (count > 19) {
      if (parse_number(start, at, out) == nullptr || out - out != 0) return nullptr;
      return at;
    }
    if (!number::is_exact(digits, exponent) || !number::round_exact(digits, exponent, value)) {
      if (!number::round_decimal(digits, exponent, value)) {
        if (parse_number(start, at, value) == nullptr) return nullptr;
        value = value < 0 ? -value : value;
      }
    }
    if (value == std::numeric_limits<T>::infinity()) return nullptr;
    out = *start == '-' ? -value : value;
    return at;
  }
}

// Behind the comma at `at`: the number there, or null.
inline const char* next_number(const char* at, const char* end) {
  at = skip_space(at + 1, end);
  return starts_number(at, end) ? at : nullptr;
}
// Behind the ] at `at`: the first number of the list that follows, or null.
inline const char* next_list(const char* at, const char* end) {
  at = skip_space(at + 1, end);
  if (at == end || *at != ',') return nullptr;
  at = skip_space(at + 1, end);
  if (at == end || *at != '[') return nullptr;
  return next_number(at, end);
}

}  // namespace
}  // namespace ferry::json
#endif

HWY_BEFORE_NAMESPACE();
namespace ferry::json {
namespace HWY_NAMESPACE {

#undef FERRY_QUICK
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128 && HWY_TARGET <= HWY_SSE4
#define FERRY_QUICK 1
#else
#define FERRY_QUICK 0
#endif

#if FERRY_QUICK

// So many bytes from a number on may be looked at.
constexpr int64_t kWindow = 40;

alignas(64) constexpr int8_t kSlide[32] = {-16, -15, -14, -13, -12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1,
                                           0,   1,   2,   3,   4,   5,   6,   7,  8,  9,  10, 11, 12, 13, 14, 15};

// Bits of the bytes that cannot belong to a number without exponent: not from '-' to '9' ('/' is between them; a check of its own). What
// this gives is where the next number starts, so it is kept short.
HWY_INLINE unsigned Ends(__m128i text) {
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_adds_epu8(_mm_sub_epi8(text, _mm_set1_epi8('-')), _mm_set1_epi8(127 - ('9' - '-')))));
}

// Sixteen digits, as the values 0 to 9, the first in byte 0.
HWY_INLINE uint64_t Join(__m128i digits) {
  const __m128i twos = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));
  const __m128i fours = _mm_madd_epi16(twos, _mm_set1_epi32(0x00010064));
  const __m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x00012710));
  const auto halves = static_cast<uint64_t>(_mm_cvtsi128_si64(eights));
  return (halves & 0xffffffff) * 100'000'000 + (halves >> 32);
}

// The digits of `size` characters, of which some may be points: is that a number of JSON?
HWY_INLINE bool IsPlain(const char* at, unsigned size, unsigned negative, unsigned digits, unsigned points) {
  const unsigned all = size == 32 ? ~0u : (1u << size) - 1;
  const unsigned lone_zero = (at[negative] == '0') & (digits >> negative >> 1);
  const unsigned ends = digits >> negative & (digits << 1 >> size);  // a digit first and last
  return ((ends & ~lone_zero & 1) != 0) & ((points & (points - 1)) == 0) & (((digits | points | negative) & all) == all) &
         ((at[size] | 0x20) != 'e');
}

// The point's index and one, or 0.
HWY_INLINE unsigned PointEnd(unsigned points) { return 31 - static_cast<unsigned>(__builtin_clz(points << 1 | 1)); }

// A number of 16 to 31 characters: what most doubles are. The 32 characters that end with it are looked at.
template <class T>
HWY_INLINE unsigned ParseLong(const char* at, const char* begin, T& out) {
  const __m128i zero = _mm_set1_epi8('0'), nine = _mm_set1_epi8(9);
  const unsigned size =
      16 + static_cast<unsigned>(__builtin_ctz(Ends(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 16))) | 0x10000));
  if (size > 31 || at + size - begin < 32) return 0;
  const auto* window = reinterpret_cast<const __m128i*>(at + size - 32);
  const __m128i high = _mm_loadu_si128(window), low = _mm_loadu_si128(window + 1);
  const __m128i high_values = _mm_sub_epi8(high, zero), low_values = _mm_sub_epi8(low, zero);
  __m128i high_digit = _mm_cmpeq_epi8(_mm_min_epu8(high_values, nine), high_values);
  const __m128i low_digit = _mm_cmpeq_epi8(_mm_min_epu8(low_values, nine), low_values);
  const auto bits = [](__m128i a, __m128i b) {
    return static_cast<unsigned>(_mm_movemask_epi8(a)) | static_cast<unsigned>(_mm_movemask_epi8(b)) << 16;
  };
  const __m128i dot = _mm_set1_epi8('.');
  const unsigned digits = bits(high_digit, low_digit) >> (32 - size);
  const unsigned points = bits(_mm_cmpeq_epi8(high, dot), _mm_cmpeq_epi8(low, dot)) >> (32 - size);
  const unsigned negative = *at == '-';
  if (!IsPlain(at, size, negative, digits, points)) [[unlikely]]
    return 0;
  // What is before the number is of no account.
  const __m128i slide = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kSlide + size - 16));  // byte 16 + i of the window: i + size - 32
  high_digit = _mm_and_si128(high_digit, _mm_cmpgt_epi8(slide, _mm_set1_epi8(-1)));
  const __m128i first = _mm_and_si128(high_values, high_digit), second = _mm_and_si128(low_values, low_digit);
  // Bytes up to the point are taken from one further ahead.
  const unsigned point_end = PointEnd(points);
  const unsigned places = point_end == 0 ? 0 : size - point_end;
  const __m128i behind_high = _mm_cmpgt_epi8(slide, _mm_set1_epi8(static_cast<char>(point_end - 1)));
  const __m128i behind_low = _mm_cmpgt_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kSlide + 16)),
                                            _mm_set1_epi8(static_cast<char>(15 - static_cast<int>(places))));
  const __m128i moved_high = _mm_slli_si128(first, 1), moved_low = _mm_alignr_epi8(second, first, 15);
  const bool none = point_end == 0;
  const uint64_t head = Join(none ? first : _mm_blendv_epi8(moved_high, first, behind_high));
  const uint64_t tail = Join(none ? second : _mm_blendv_epi8(moved_low, second, behind_low));
  if (head >= 1000) [[unlikely]]
    return 0;  // more than nineteen digits that count
  T value;
  if (!number::round_decimal(head * 10'000'000'000'000'000 + tail, -static_cast<int64_t>(places), value)) [[unlikely]]
    return 0;
  out = static_cast<T>(_mm_cvtsd_f64(_mm_or_pd(_mm_set_sd(value), _mm_set_sd(std::bit_cast<double>(uint64_t{negative} << 63)))));
  return size;
}

// Kept in registers: GCC would make each anew from a byte for every number.
struct Constants {
  __m128i start = _mm_set1_epi8('-'), ends = _mm_set1_epi8(127 - ('9' - '-')), zero = _mm_set1_epi8('0'), nine = _mm_set1_epi8(9),
          one = _mm_set1_epi8(1), dot = _mm_set1_epi8('.');
  Constants() { asm volatile("" : "+x"(start), "+x"(ends), "+x"(zero), "+x"(nine), "+x"(one), "+x"(dot)); }
};

template <class T>
HWY_NOINLINE unsigned ParseLongApart(const char* at, const char* begin, T& out) {
  return ParseLong(at, begin, out);
}

// The number at `at`; the bytes after it, or 0 where it is not a quick one. Whether an exponent follows is for the caller to see.
template <class T>
HWY_INLINE unsigned ParseQuickly(const char* at, const char* begin, const Constants& constants, T& out) {
  const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  // As Ends().
  const auto stops = static_cast<unsigned>(_mm_movemask_epi8(_mm_adds_epu8(_mm_sub_epi8(text, constants.start), constants.ends))) | 0x10000;
  const auto size = static_cast<unsigned>(__builtin_ctz(stops));
  if (size == 16) [[unlikely]] {
    if constexpr (std::is_integral_v<T>) return 0;
    if constexpr (std::is_same_v<T, float>) return ParseLongApart(at, begin, out);
    if constexpr (std::is_same_v<T, double>) return ParseLong(at, begin, out);
  }
  const __m128i values = _mm_sub_epi8(text, constants.zero);
  const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(values, constants.nine), values);
  const auto digits = static_cast<unsigned>(_mm_movemask_epi8(is_digit));
  const auto points = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(text, constants.dot)));
  const unsigned negative = *at == '-', after = 1u << size;
  // Where there is no point it is taken to stand behind the number.
  const auto point = static_cast<unsigned>(__builtin_ctz(points | after));
  const unsigned others = (after - 1) & ~digits, expected = ((1u << point) & (after - 1)) | negative;
  const bool lone_zero = (at[negative] == '0') & (point != negative + 1);
  if (((others ^ expected) != 0) | (point == negative) | (point + 1 == size) | lone_zero) [[unlikely]]
    return 0;
  if constexpr (std::is_integral_v<T>) {
    if (point != size) [[unlikely]]
      return 0;
  }
  // Byte 15 gets the last digit and so on, those before the point from one byte further ahead.
  const unsigned with_point = size + (point == size), places = with_point - 1 - point;
  const __m128i from = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kSlide + with_point));
  const __m128i behind = _mm_cmpgt_epi8(from, _mm_set1_epi8(static_cast<char>(point)));
  const __m128i source = _mm_sub_epi8(_mm_sub_epi8(from, constants.one), behind);
  const uint64_t whole = Join(_mm_shuffle_epi8(_mm_and_si128(values, is_digit), source));
  if constexpr (std::is_integral_v<T>) {
    out = static_cast<T>((whole ^ (0 - uint64_t{negative})) + negative);
  } else {
    const double value = static_cast<double>(static_cast<int64_t>(whole)) / number::kExactPowersOfTen[places];
    if constexpr (std::is_same_v<T, float>) {
      // Half way between two floats: rounding once more could go the wrong way.
      if ((std::bit_cast<uint64_t>(value) & 0x1fffffff) == 0x10000000) [[unlikely]]
        return 0;
    }
    const double sign = std::bit_cast<double>(uint64_t{negative} << 63);
    out = static_cast<T>(_mm_cvtsd_f64(_mm_or_pd(_mm_set_sd(value), _mm_set_sd(sign))));
  }
  return size;
}

#endif  // FERRY_QUICK

template <class T>
HWY_INLINE size_t ParseRun(NumberRun& run, const char* const end, T* const out, size_t room) {
  const char* at = run.at;
  const char* after = nullptr;  // behind the last number, where there is one
  T* to = out;
  T* const full = out + room;
  int64_t base = run.current;  // numbers in the list that is open, less those stored
  run.before = false;
#if FERRY_QUICK
  const char* const begin = run.begin;
  const Constants constants;
#endif
  while (true) {
    // At what should be a number, or space before it.
    if (to == full) [[unlikely]] {
      at = skip_space(at, end);
      run.before = starts_number(at, end);
      if (!run.before) at = after;
      break;
    }
    if constexpr (std::is_integral_v<T>) {
      if (!run.negative && at != end && *at == '-') [[unlikely]] {
        run.before = true;
        break;
      }
    }
    bool stored = false;
#if FERRY_QUICK
    if (end - at >= kWindow) [[likely]] {
      if (const unsigned size = ParseQuickly(at, begin, constants, *to); size != 0) [[likely]] {
        const char* const past = at + size;
        if (*past == ',') [[likely]] {
          ++to;
          after = past;
          // Both arms are kept apart, so that the next number need not wait for this byte: it is guessed.
          if (after[1] == ' ') {
            at = after + 2;
            asm volatile("" : "+r"(at));
          } else {
            at = after + 1;
          }
          continue;
        }
        stored = (*past | 0x20) != 'e';
        to += stored;
        after = stored ? past : after;
      }
    }
#endif
    if (!stored) {
      if (!starts_number(at, end)) {
        // Only space, or something that is the caller's to judge.
        const char* const next = skip_space(at, end);
        if (next == at || !starts_number(next, end)) {
          if (after != nullptr) at = after;
          run.before = after == nullptr;
          break;
        }
        at = next;
        continue;
      }
      const char* const past = parse_strictly(at, end, *to);
      if (past == nullptr) {
        run.before = true;
        break;
      }
      ++to;
      after = past;
    }
    at = skip_space(after, end);
    const char* next = nullptr;
    if (at != end && *at == ',') {
      next = next_number(at, end);
    } else if (at != end && *at == ']' && to - out + base == run.row) {
      next = next_list(at, end);
      if (next != nullptr) {
        ++run.rows;
        base = out - to;
      }
    }
    if (next == nullptr) {
      at = after;
      break;
    }
    at = next;
  }
  run.at = at;
  run.current = to - out + base;
  return static_cast<size_t>(to - out);
}

size_t ParseFloats(NumberRun& run, const char* end, float* out, size_t room) { return ParseRun(run, end, out, room); }
size_t ParseDoubles(NumberRun& run, const char* end, double* out, size_t room) { return ParseRun(run, end, out, room); }
size_t ParseIntegers(NumberRun& run, const char* end, int64_t* out, size_t room) { return ParseRun(run, end, out, room); }

}  // namespace HWY_NAMESPACE
}  // namespace ferry::json
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ferry::json {

HWY_EXPORT(ParseFloats);
HWY_EXPORT(ParseDoubles);
HWY_EXPORT(ParseIntegers);

size_t parse_list(NumberRun& run, const char* end, float* out, size_t room) {
  return HWY_DYNAMIC_DISPATCH(ParseFloats)(run, end, out, room);
}
size_t parse_list(NumberRun& run, const char* end, double* out, size_t room) {
  return HWY_DYNAMIC_DISPATCH(ParseDoubles)(run, end, out, room);
}
size_t parse_list(NumberRun& run, const char* end, int64_t* out, size_t room) {
  return HWY_DYNAMIC_DISPATCH(ParseIntegers)(run, end, out, room);
}

}  // namespace ferry::json
#endif  // HWY_ONCE
