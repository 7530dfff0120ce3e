// Element types. The table is dtypes.def; everything here is read from it.
#pragma once

#include <bit>
#include <complex>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ferry {

// ---- Types that C++ has no word for. Bits plus the two conversions; arithmetic goes through float.

// A float of 16 or fewer bits.
struct FloatTraits {
  int exponent, mantissa, bias;
  bool infinity;       // has infinities, and NaNs at the top exponent
  bool unsigned_zero;  // the pattern of -0 is the one NaN (the "uz" types)
  bool nan;            // has a NaN at all
};

float small_float_to_float(uint32_t bits, FloatTraits traits);
uint32_t small_float_from_float(float value, FloatTraits traits);  // to nearest, ties to even

template <class Storage, FloatTraits kTraits>
struct SmallFloat {
  Storage bits = 0;
  SmallFloat() = default;
  explicit SmallFloat(float value) : bits(static_cast<Storage>(small_float_from_float(value, kTraits))) {}
  explicit operator float() const { return small_float_to_float(bits, kTraits); }
  static SmallFloat from_bits(Storage bits) {
    SmallFloat out;
    out.bits = bits;
    return out;
  }
  static constexpr FloatTraits traits = kTraits;
};

using Half = SmallFloat<uint16_t, FloatTraits{5, 10, 15, true, false, true}>;
using Float8E5M2 = SmallFloat<uint8_t, FloatTraits{5, 2, 15, true, false, true}>;
using Float8E4M3FN = SmallFloat<uint8_t, FloatTraits{4, 3, 7, false, false, true}>;
using Float8E4M3FNUZ = SmallFloat<uint8_t, FloatTraits{4, 3, 8, false, true, true}>;
using Float8E4M3B11FNUZ = SmallFloat<uint8_t, FloatTraits{4, 3, 11, false, true, true}>;
using Float8E5M2FNUZ = SmallFloat<uint8_t, FloatTraits{5, 2, 16, false, true, true}>;
using Float4E2M1FN = SmallFloat<uint8_t, FloatTraits{2, 1, 1, false, false, false}>;

struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float value) {
    const auto wide = std::bit_cast<uint32_t>(value);
    bits = value != value ? static_cast<uint16_t>((wide >> 16) | 0x40) : static_cast<uint16_t>((wide + 0x7fff + ((wide >> 16) & 1)) >> 16);
  }
  explicit operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

// An integer of kBits bits kept in a byte of its own, as TensorFlow and ml_dtypes keep it (sign-extended).
template <class Storage, int kBits>
struct SmallInt {
  Storage bits = 0;
  SmallInt() = default;
  explicit SmallInt(int value) {
    const auto low = static_cast<uint8_t>(static_cast<unsigned>(value) << (8 - kBits));
    bits = static_cast<Storage>(static_cast<Storage>(low) >> (8 - kBits));
  }
  explicit operator int() const {
    const auto low = static_cast<uint8_t>(static_cast<unsigned>(bits) << (8 - kBits));
    return static_cast<Storage>(low) >> (8 - kBits);
  }
};
using Int4 = SmallInt<int8_t, 4>;
using UInt4 = SmallInt<uint8_t, 4>;
using Int2 = SmallInt<int8_t, 2>;
using UInt2 = SmallInt<uint8_t, 2>;

template <class T>
inline constexpr bool is_small_float_v = false;
template <class S, FloatTraits k>
inline constexpr bool is_small_float_v<SmallFloat<S, k>> = true;
template <>
inline constexpr bool is_small_float_v<BFloat16> = true;
template <class T>
inline constexpr bool is_small_int_v = false;
template <class S, int k>
inline constexpr bool is_small_int_v<SmallInt<S, k>> = true;
template <class T>
inline constexpr bool is_complex_v = false;
template <class T>
inline constexpr bool is_complex_v<std::complex<T>> = true;

// The type that sums and products of T are made in: float for the small floats, int for the small integers, else T.
template <class T>
using Arithmetic = std::conditional_t<is_small_float_v<T>, float, std::conditional_t<is_small_int_v<T>, int, T>>;

template <class T>
Arithmetic<T> to_arithmetic(T value) {
  return static_cast<Arithmetic<T>>(value);
}

// ---- The enum

enum class DTypeClass : uint8_t { kFloat, kSigned, kUnsigned, kBool, kComplex, kQuantized, kString, kOpaque };

// The values are TensorFlow's DataType numbers.
enum class DType : uint8_t {
#define FERRY_DTYPE(name, number, ...) name = number,
#include "ferry/dtypes.def"
#undef FERRY_DTYPE
};

inline constexpr DType kAllDTypes[] = {
#define FERRY_DTYPE(name, ...) DType::name,
#include "ferry/dtypes.def"
#undef FERRY_DTYPE
};

std::string_view dtype_name(DType dtype);  // "float32", "bool", …
// TensorFlow's names, NumPy's spellings ("<f4", "f4"), and the usual short ones ("f32", "bf16", "half").
std::optional<DType> dtype_from_name(std::string_view name);
std::optional<DType> dtype_from_number(int number);  // TensorFlow's DataType; the _REF numbers (+100) are not accepted
size_t dtype_size(DType dtype);                      // bytes an element; 0 for string, resource, variant
DTypeClass dtype_class(DType dtype);
inline bool is_fixed_size(DType dtype) { return dtype_size(dtype) != 0; }

// One bit a dtype, for capability tables.
class DTypeSet {
 public:
  constexpr DTypeSet() = default;
  template <class... D>
  static constexpr DTypeSet of(D... dtypes) {
    DTypeSet out;
    ((out.bits_ |= uint64_t{1} << static_cast<int>(dtypes)), ...);
    return out;
  }
  static constexpr DTypeSet fixed_size() {
    DTypeSet out;
    for (DType d : kAllDTypes) out.bits_ |= uint64_t{1} << static_cast<int>(d);
    return out - of(DType::string, DType::resource, DType::variant);
  }
  static constexpr DTypeSet all() { return fixed_size() | of(DType::string); }
  constexpr bool has(DType dtype) const { return (bits_ >> static_cast<int>(dtype)) & 1; }
  constexpr DTypeSet operator|(DTypeSet other) const { return DTypeSet(bits_ | other.bits_); }
  constexpr DTypeSet operator-(DTypeSet other) const { return DTypeSet(bits_ & ~other.bits_); }

 private:
  constexpr explicit DTypeSet(uint64_t bits) : bits_(bits) {}
  uint64_t bits_ = 0;
};

template <class T>
struct TypeTag {
  using type = T;
};

// Calls f(TypeTag<T>) with the C++ type of a fixed-size dtype; the caller has dealt with strings before.
template <class F>
decltype(auto) visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
#define FERRY_DTYPE(name, number, size, type, klass) \
  case DType::name:                                  \
    return f(TypeTag<std::conditional_t<std::is_void_v<type>, uint8_t, type>>{});
#include "ferry/dtypes.def"
#undef FERRY_DTYPE
  }
  __builtin_unreachable();
}

// The same by element width alone (1, 2, 4, 8, 16 bytes), for code that only moves elements.
struct Wide {
  uint64_t low, high;
};
template <class F>
decltype(auto) visit_width(size_t size, F&& f) {
  switch (size) {
    case 2: return f(TypeTag<uint16_t>{});
    case 4: return f(TypeTag<uint32_t>{});
    case 8: return f(TypeTag<uint64_t>{});
    case 16: return f(TypeTag<Wide>{});
    default: return f(TypeTag<uint8_t>{});
  }
}

// The dtype whose plain C++ type T is (quantized types have none of their own).
template <class T>
constexpr DType dtype_of() {
  using U = std::remove_cv_t<T>;
#define FERRY_DTYPE(name, number, size, type, klass)                                    \
  if constexpr (std::is_same_v<U, type> && DTypeClass::klass != DTypeClass::kQuantized) \
    return DType::name;                                                                 \
  else
#include "ferry/dtypes.def"
#undef FERRY_DTYPE
  static_assert(!std::is_same_v<U, U>, "not an element type");
}

}  // namespace ferry
