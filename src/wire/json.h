// JSON text, read by pulling and written by appending. The grammar is RFC 8259 and, as TensorFlow Serving has it, the bare numbers
// NaN, Infinity, Inf and their negatives. No tree is built.
//
//   json::Reader in(text);
//   if (in.peek() == json::Token::object) {
//     std::string key;
//     in.open();
//     for (bool first = true; in.next_member(first, key);) … read or skip the value …
//   }
//   FERRY_RETURN_IF_ERROR(in.status());
//
// The first error stays and ends every loop; what is read after it is empty.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/status.h"

namespace ferry::json {

enum class Token : uint8_t { end, object, array, string, number, boolean, null, other };

// Good as long as the text. Cheap to copy, which saves the place.
class Reader {
 public:
  explicit Reader(std::string_view text, uint64_t max_depth = 100);

  Token peek();  // what stands next, white space skipped
  // Goes into the object or array that stands next.
  void open();
  // `first` starts as true. False at the end of the array or object, which is then closed, and after an error.
  bool next_element(bool& first) { return next(first, ']'); }
  bool next_member(bool& first, std::string& key);
  void read_string(std::string& out);  // out is replaced
  bool read_boolean();
  void skip_value();
  // The text may end after the root value, but for white space.
  void finish();

  // For number lists, which are read without a call for each character: the place, and moving on from it.
  const char* begin() const { return begin_; }
  const char* at() const { return at_; }
  const char* end() const { return end_; }
  void move_to(const char* at) { at_ = at; }
  uint64_t offset() const { return static_cast<uint64_t>(at_ - begin_); }

  // Checks one number at `at`, digits by the grammar, and says whether it is written as an integer; null where it is none.
  static const char* check_number(const char* at, const char* end, bool& integer);

  void fail(std::string message) { fail_at(offset(), std::move(message)); }
  void fail_at(uint64_t offset, std::string message);
  void fail(Status status);
  bool ok() const { return status_.ok(); }
  Status status() const { return status_; }

 private:
  bool next(bool& first, char close);
  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  void expected(std::string_view what);
  bool escape(std::string& out);
  bool hex4(uint32_t& out);

  const char* begin_;
  const char* at_;
  const char* end_;
  uint64_t depth_ = 0, max_depth_;
  Status status_;
};

// ---- Writing

void append_string(std::string& out, std::string_view text);  // quoted; text is UTF-8
// The shortest text that reads back to the same bits, with ".0" where it would look like an integer; NaN, Infinity, -Infinity.
void append_float(std::string& out, float value);
void append_float(std::string& out, double value);
void append_integer(std::string& out, int64_t value);
void append_integer(std::string& out, uint64_t value);

void append_base64(std::string& out, std::string_view bytes);  // standard alphabet, padded
// Appends to `out`; padding may be absent, white space is skipped. False where the text is no base64.
bool decode_base64(std::string_view text, std::string& out);

}  // namespace ferry::json
