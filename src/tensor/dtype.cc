#include "ferry/dtype.h"

#include <array>
#include <cmath>

namespace ferry {
namespace {

struct Row {
  std::string_view name;
  uint8_t size;
  DTypeClass klass;
};

constexpr size_t kNumbers = 64;

constexpr auto kRows = [] {
  std::array<Row, kNumbers> rows{};
#define FERRY_DTYPE(name, number, size, type, klass) rows[number] = {#name, size, DTypeClass::klass};
#include "ferry/dtypes.def"
#undef FERRY_DTYPE
  rows[static_cast<size_t>(DType::bool_)].name = "bool";
  return rows;
}();

struct Alias {
  std::string_view name;
  DType dtype;
};

constexpr Alias kAliases[] = {
    {"f16", DType::float16},    {"half", DType::float16},  {"f32", DType::float32},    {"float", DType::float32}, {"f64", DType::float64},
    {"double", DType::float64}, {"bf16", DType::bfloat16}, {"i8", DType::int8},        {"i16", DType::int16},     {"i32", DType::int32},
    {"i64", DType::int64},      {"u8", DType::uint8},      {"u16", DType::uint16},     {"u32", DType::uint32},    {"u64", DType::uint64},
    {"int", DType::int32},      {"long", DType::int64},    {"f2", DType::float16},     {"f4", DType::float32},    {"f8", DType::float64},
    {"i1", DType::int8},        {"i2", DType::int16},      {"i4", DType::int32},       {"u1", DType::uint8},      {"u2", DType::uint16},
    {"u4", DType::uint32},      {"c8", DType::complex64},  {"c16", DType::complex128}, {"b1", DType::bool_},      {"str", DType::string},
    {"bytes", DType::string},   {"boolean", DType::bool_}, {"object", DType::string},
};

// NumPy's byte-counted spellings clash with the bit-counted ones ("i8"); they count only behind an order mark.
constexpr Alias kMarked[] = {
    {"f2", DType::float16}, {"f4", DType::float32},   {"f8", DType::float64},     {"i1", DType::int8},   {"i2", DType::int16},
    {"i4", DType::int32},   {"i8", DType::int64},     {"u1", DType::uint8},       {"u2", DType::uint16}, {"u4", DType::uint32},
    {"u8", DType::uint64},  {"c8", DType::complex64}, {"c16", DType::complex128}, {"b1", DType::bool_},
};

}  // namespace

std::string_view dtype_name(DType dtype) { return kRows[static_cast<size_t>(dtype)].name; }
size_t dtype_size(DType dtype) { return kRows[static_cast<size_t>(dtype)].size; }
DTypeClass dtype_class(DType dtype) { return kRows[static_cast<size_t>(dtype)].klass; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (DType dtype : kAllDTypes) {
    if (dtype_name(dtype) == name) return dtype;
  }
  if (!name.empty() && (name[0] == '<' || name[0] == '|' || name[0] == '=')) {
    for (const Alias& alias : kMarked) {
      if (alias.name == name.substr(1)) return alias.dtype;
    }
    return std::nullopt;
  }
  for (const Alias& alias : kAliases) {
    if (alias.name == name) return alias.dtype;
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_number(int number) {
  if (number <= 0 || number >= static_cast<int>(kNumbers) || kRows[static_cast<size_t>(number)].name.empty()) return std::nullopt;
  return static_cast<DType>(number);
}

float small_float_to_float(uint32_t bits, FloatTraits t) {
  const uint32_t mantissa_mask = (1u << t.mantissa) - 1;
  const uint32_t exponent_mask = (1u << t.exponent) - 1;
  const uint32_t mantissa = bits & mantissa_mask;
  const uint32_t exponent = (bits >> t.mantissa) & exponent_mask;
  const bool negative = (bits >> (t.mantissa + t.exponent)) & 1;
  const float nan = std::bit_cast<float>(0x7fc00000u | (negative ? 0x80000000u : 0u));
  if (t.unsigned_zero && negative && exponent == 0 && mantissa == 0) return std::bit_cast<float>(0xffc00000u);
  if (t.infinity && exponent == exponent_mask) {
    if (mantissa == 0) return negative ? -INFINITY : INFINITY;
    // Keep the payload, so that half → float → half is the identity on NaNs too.
    const uint32_t wide = 0x7f800000u | (mantissa << (23 - t.mantissa)) | (negative ? 0x80000000u : 0u);
    return std::bit_cast<float>(wide);
  }
  if (t.nan && !t.infinity && !t.unsigned_zero && exponent == exponent_mask && mantissa == mantissa_mask) return nan;
  const float magnitude =
      exponent == 0 ? std::ldexp(static_cast<float>(mantissa), 1 - t.bias - t.mantissa)
                    : std::ldexp(static_cast<float>(mantissa | (1u << t.mantissa)), static_cast<int>(exponent) - t.bias - t.mantissa);
  return negative ? -magnitude : magnitude;
}

uint32_t small_float_from_float(float value, FloatTraits t) {
  const auto wide = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (wide >> 31) << (t.exponent + t.mantissa);
  const uint32_t mantissa_mask = (1u << t.mantissa) - 1;
  const uint32_t exponent_mask = (1u << t.exponent) - 1;
  const uint32_t infinity = exponent_mask << t.mantissa;
  // The largest finite pattern, and what stands in for what lies beyond it.
  const uint32_t nan = t.infinity        ? sign | infinity | (1u << (t.mantissa - 1)) | ((wide >> (23 - t.mantissa)) & mantissa_mask)
                       : t.unsigned_zero ? 1u << (t.exponent + t.mantissa)
                       : t.nan           ? sign | infinity | mantissa_mask
                                         : sign ^ (1u << (t.exponent + t.mantissa));  // no NaN at all: a zero, as ml_dtypes
  if (std::isnan(value)) return nan;
  const uint32_t largest = t.infinity                    ? infinity - 1
                           : (t.nan && !t.unsigned_zero) ? (infinity | mantissa_mask) - 1
                                                         : infinity | mantissa_mask;
  const uint32_t overflow = t.infinity ? sign | infinity : t.nan ? nan : sign | largest;
  if (std::isinf(value)) return overflow;

  const int exponent = static_cast<int>((wide >> 23) & 0xff) - 127;
  if (((wide >> 23) & 0xff) == 0) return t.unsigned_zero ? 0 : sign;  // float's subnormals are far below every type here
  const uint64_t significand = (wide & 0x7fffff) | 0x800000;
  // Bits to drop so that the last one kept is worth one unit of the target.
  const int lowest = 1 - t.bias;  // the exponent of the smallest normal
  const int drop = 23 - t.mantissa + (exponent < lowest ? lowest - exponent : 0);
  if (drop > 40) return t.unsigned_zero ? 0 : sign;
  uint64_t kept = significand >> drop;
  const uint64_t rest = significand & ((uint64_t{1} << drop) - 1);
  const uint64_t half = uint64_t{1} << (drop - 1);
  if (rest > half || (rest == half && (kept & 1))) ++kept;
  // With the hidden bit left in, adding the exponent field carries into it by itself.
  const uint64_t field = exponent < lowest ? 0 : static_cast<uint64_t>(exponent - lowest);
  const uint64_t pattern = kept + (field << t.mantissa);
  if (pattern > largest) return overflow;
  if (pattern == 0 && t.unsigned_zero) return 0;
  return sign | static_cast<uint32_t>(pattern);
}

}  // namespace ferry
