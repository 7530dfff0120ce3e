#include "formats/zarr/fill.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace ferry::zarr {
namespace {

Status bad(const json::Tree& value, DType dtype) {
  return data_loss(concat("the fill_value ", quoted(value.text), " is no ", dtype_name(dtype)));
}

template <class T>
std::string bytes_of(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Hexadecimal digits are the element's bits, most significant first.
template <class T>
Result<T> from_hex(const json::Tree& value, DType dtype) {
  std::string_view digits = std::string_view(value.text).substr(2);
  uint64_t bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
  const uint64_t most = UINT64_MAX >> (64 - 8 * sizeof(T));
  if (error != std::errc() || end != digits.data() + digits.size() || bits > most) return bad(value, dtype);
  T out;
  std::memcpy(static_cast<void*>(&out), &bits, sizeof(T));
  return out;
}

template <class T>
Result<T> real(const json::Tree& value, DType dtype) {
  if (value.is(json::Token::string) && value.text.starts_with("0x")) return from_hex<T>(value, dtype);
  double number = 0;
  if (value.text == "NaN") {
    number = std::numeric_limits<double>::quiet_NaN();
  } else if (value.text == "Infinity") {
    number = std::numeric_limits<double>::infinity();
  } else if (value.text == "-Infinity") {
    number = -std::numeric_limits<double>::infinity();
  } else {
    const auto [end, error] = std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
    if (end != value.text.data() + value.text.size() || error == std::errc::invalid_argument) return bad(value, dtype);
  }
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(number);
  } else {
    return T(static_cast<float>(number));
  }
}

template <class T>
Result<T> whole(const json::Tree& value, DType dtype) {
  T out{};
  const auto [end, error] = std::from_chars(value.text.data(), value.text.data() + value.text.size(), out);
  if (error == std::errc() && end == value.text.data() + value.text.size()) return out;
  // 0.0 for an integer is what some writers give.
  double number = 0;
  const auto [stop, failed] = std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
  if (failed != std::errc() || stop != value.text.data() + value.text.size() || number != std::floor(number) || std::abs(number) > 1e6 ||
      (number < 0 && std::is_unsigned_v<T>)) {
    return bad(value, dtype);
  }
  return static_cast<T>(number);
}

Result<std::string> number(const json::Tree& value, DType dtype) {
  return visit_dtype(dtype, [&](auto tag) -> Result<std::string> {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool>) {
      if (value.is(json::Token::boolean)) return bytes_of<uint8_t>(value.text == "true");
      FERRY_ASSIGN_OR_RETURN(const uint8_t flag, whole<uint8_t>(value, dtype));
      return bytes_of<uint8_t>(flag != 0);
    } else if constexpr (is_complex_v<T>) {
      using R = typename T::value_type;
      if (value.is(json::Token::array) && value.items.size() == 2) {
        FERRY_ASSIGN_OR_RETURN(const R re, real<R>(value.items[0], dtype));
        FERRY_ASSIGN_OR_RETURN(const R im, real<R>(value.items[1], dtype));
        return bytes_of(re) + bytes_of(im);
      }
      FERRY_ASSIGN_OR_RETURN(const R re, real<R>(value, dtype));
      return bytes_of(re) + bytes_of(R{});
    } else if constexpr (std::is_floating_point_v<T> || is_small_float_v<T>) {
      FERRY_ASSIGN_OR_RETURN(const T x, real<T>(value, dtype));
      return bytes_of(x);
    } else if constexpr (is_small_int_v<T>) {
      FERRY_ASSIGN_OR_RETURN(const int x, whole<int>(value, dtype));
      return bytes_of(T(x));
    } else {
      if (value.text == "NaT") return bytes_of(static_cast<T>(std::numeric_limits<T>::min()));
      FERRY_ASSIGN_OR_RETURN(const T x, whole<T>(value, dtype));
      return bytes_of(x);
    }
  });
}

}  // namespace

Result<std::string> parse_fill(const json::Tree* value, const Element& element) {
  if (value == nullptr || value->is(json::Token::null)) return std::string();
  switch (element.kind) {
    case ElementKind::fixed: return number(*value, element.dtype);
    case ElementKind::bytes: {
      std::string out;
      // Version 2 writes base64; 0 and "" are the empty string of both.
      if (!value->is(json::Token::string) || !json::decode_base64(value->text, out)) return std::string();
      out.resize(out.find_last_not_of('\0') + 1);
      return out;
    }
    case ElementKind::ucs4:
    case ElementKind::variable: return value->is(json::Token::string) ? value->text : std::string();
  }
  __builtin_unreachable();
}

}  // namespace ferry::zarr
