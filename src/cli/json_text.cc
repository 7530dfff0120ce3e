#include "cli/json_text.h"

#include <charconv>
#include <cmath>

#include "cli/text.h"

namespace ferry::cli {

void JsonText::comma() {
  if (!first_ && !after_key_) out_.print(",");
  first_ = after_key_ = false;
}

JsonText& JsonText::open(char bracket) {
  comma();
  out_.print(bracket);
  first_ = true;
  return *this;
}

JsonText& JsonText::close(char bracket) {
  out_.print(bracket);
  first_ = false;
  return *this;
}

JsonText& JsonText::key(std::string_view name) {
  text(name);
  out_.print(":");
  after_key_ = true;
  return *this;
}

JsonText& JsonText::text(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  comma();
  out_.print('"');
  while (!text.empty()) {
    const char c = text[0];
    const size_t length = utf8_length(text);
    if (length == 0) {
      out_.print("\xef\xbf\xbd");
    } else if (c == '"' || c == '\\') {
      out_.print('\\', c);
    } else if (c == '\n') {
      out_.print("\\n");
    } else if (c == '\t') {
      out_.print("\\t");
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out_.print("\\u00", kHex[c >> 4], kHex[c & 15]);
    } else {
      out_.print(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out_.print('"');
  return *this;
}

JsonText& JsonText::integer(int64_t number) {
  comma();
  out_.print(number);
  return *this;
}

JsonText& JsonText::unsigned_integer(uint64_t number) {
  comma();
  out_.print(number);
  return *this;
}

JsonText& JsonText::number(double number) {
  if (!std::isfinite(number)) return null();
  comma();
  out_.print(number);
  return *this;
}

JsonText& JsonText::raw_number(std::string_view digits) {
  comma();
  out_.print(digits);
  return *this;
}

JsonText& JsonText::boolean(bool value) {
  comma();
  out_.print(value);
  return *this;
}

JsonText& JsonText::null() {
  comma();
  out_.print("null");
  return *this;
}

JsonText& JsonText::shape(const Shape& shape) {
  begin_list();
  for (int64_t dim : shape) dim < 0 ? null() : integer(dim);
  return end_list();
}

JsonText& JsonText::metadata(const Metadata& metadata) {
  begin_object();
  for (const auto& [name, value] : metadata) member(name, std::string_view(value));
  return end_object();
}

}  // namespace ferry::cli
