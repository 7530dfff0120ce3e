#include "cli/element_text.h"

#include <charconv>
#include <cmath>
#include <complex>

#include "cli/text.h"

namespace ferry::cli {
namespace {

template <class F>
void append_float(std::string& out, F value) {
  if (std::isnan(value)) {
    out += "nan";
    return;
  }
  if (std::isinf(value)) {
    out += value < 0 ? "-inf" : "inf";
    return;
  }
  char text[40];
  const char* end = std::to_chars(text, text + sizeof(text), value).ptr;
  const std::string_view digits(text, static_cast<size_t>(end - text));
  out += digits;
  if (digits.find_first_of(".e") == std::string_view::npos) out += ".0";
}

// Whole numbers as they are, else the fewest digits that round to the same bits.
template <class T>
void append_small_float(std::string& out, T value) {
  const float wide = static_cast<float>(value);
  if (!std::isfinite(wide) || (std::trunc(wide) == wide && std::abs(wide) < 0x1p24f)) return append_float(out, wide);
  char text[40];
  for (int precision = 1; precision <= 9; ++precision) {
    const auto end = std::to_chars(text, text + sizeof(text), wide, std::chars_format::general, precision).ptr;
    float back = 0;
    std::from_chars(text, end, back);
    if (T(back).bits != value.bits && precision < 9) continue;
    const std::string_view digits(text, static_cast<size_t>(end - text));
    out += digits;
    if (digits.find_first_of(".e") == std::string_view::npos) out += ".0";
    return;
  }
}

template <class T>
void append_value(std::string& out, T value) {
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? "True" : "False";
  } else if constexpr (is_complex_v<T>) {
    out += '(';
    append_float(out, value.real());
    if (!std::signbit(value.imag()) || std::isnan(value.imag())) out += '+';
    append_float(out, value.imag());
    out += "j)";
  } else if constexpr (is_small_float_v<T>) {
    append_small_float(out, value);
  } else if constexpr (is_small_int_v<T>) {
    detail::append_piece(out, static_cast<int>(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    append_float(out, value);
  } else {
    detail::append_piece(out, value);
  }
}

template <class T>
void append_element(std::string& out, const DenseTensor& values, int64_t i) {
  if constexpr (std::is_same_v<T, bool>) {
    // A byte from a file may be neither 0 nor 1.
    append_value(out, values.values<uint8_t>()[static_cast<size_t>(i)] != 0);
  } else {
    append_value(out, values.values<T>()[static_cast<size_t>(i)]);
  }
}

void append_string_element(std::string& out, const DenseTensor& values, int64_t i) { append_quoted(out, values.strings()[i]); }

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const char c = text[0];
    const size_t length = utf8_length(text);
    const auto byte = static_cast<unsigned char>(c);
    const bool c1 = byte == 0xc2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xa0;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n' || c == '\t' || c == '\r') {
      out += c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r";
    } else if (length == 0 || c1 || byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
      continue;
    }
    text.remove_prefix(1);
  }
  out += '"';
}

ElementText element_text(DType dtype) {
  if (!is_fixed_size(dtype)) return append_string_element;
  return visit_dtype(dtype, [](auto tag) -> ElementText { return append_element<typename decltype(tag)::type>; });
}

}  // namespace ferry::cli
