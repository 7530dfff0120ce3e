// JSON for --json: strict (no NaN), one value a call, commas by itself.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "cli/printer.h"
#include "ferry/tensor_map.h"

namespace ferry::cli {

class JsonText {
 public:
  explicit JsonText(Printer& out) : out_(out) {}
  JsonText& begin_object() { return open('{'); }
  JsonText& end_object() { return close('}'); }
  JsonText& begin_list() { return open('['); }
  JsonText& end_list() { return close(']'); }
  JsonText& key(std::string_view key);
  JsonText& text(std::string_view text);  // bytes that are no UTF-8 become U+FFFD
  JsonText& integer(int64_t number);
  JsonText& unsigned_integer(uint64_t number);
  JsonText& number(double number);                // null where it is not finite
  JsonText& raw_number(std::string_view digits);  // as they are: longer than a double holds
  JsonText& boolean(bool value);
  JsonText& null();
  // Ends a line of JSON lines; the next value stands alone.
  void new_line() {
    out_.print("\n");
    first_ = true;
  }
  // "key": value at once.
  JsonText& member(std::string_view name, std::string_view value) { return key(name).text(value); }
  JsonText& member(std::string_view name, const char* value) { return key(name).text(value); }
  template <std::same_as<bool> B>
  JsonText& member(std::string_view name, B value) {
    return key(name).boolean(value);
  }
  template <class I>
  requires(std::is_integral_v<I> && !std::is_same_v<I, bool>) JsonText& member(std::string_view name, I value) {
    if constexpr (std::is_signed_v<I>) {
      return key(name).integer(value);
    } else {
      return key(name).unsigned_integer(value);
    }
  }
  JsonText& member(std::string_view name, double value) { return key(name).number(value); }
  JsonText& shape(const Shape& shape);  // null for a ragged axis
  JsonText& metadata(const Metadata& metadata);

 private:
  JsonText& open(char bracket);
  JsonText& close(char bracket);
  void comma();
  Printer& out_;
  bool first_ = true;
  bool after_key_ = false;
};

}  // namespace ferry::cli
