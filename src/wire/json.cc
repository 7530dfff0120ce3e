#include "wire/json.h"

#include "wire/number.h"
#include "wire/utf8.h"

namespace ferry::json {

Reader::Reader(std::string_view text, uint64_t max_depth)
    : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()), max_depth_(max_depth) {
  if (text.starts_with("\xef\xbb\xbf")) at_ += 3;  // a byte order mark
}

void Reader::fail_at(uint64_t offset, std::string message) {
  if (status_.ok()) status_ = data_loss_at(offset, std::move(message));
  at_ = end_;
}

void Reader::fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
  at_ = end_;
}

void Reader::expected(std::string_view what) {
  if (at_ == end_) return fail(concat("the JSON text ends here, expected ", what));
  fail(concat("found ", quoted(std::string_view(at_, 1)), ", expected ", what));
}

Token Reader::peek() {
  skip_space();
  if (at_ == end_) return Token::end;
  switch (*at_) {
    case '{': return Token::object;
    case '[': return Token::array;
    case '"': return Token::string;
    case 't':
    case 'f': return Token::boolean;
    case 'n': return Token::null;
    case '-':
    case 'N':
    case 'I': return Token::number;
    default: return *at_ >= '0' && *at_ <= '9' ? Token::number : Token::other;
  }
}

void Reader::open() {
  if (++depth_ > max_depth_) {
    fail(concat("JSON lists and objects are nested deeper than ", max_depth_, " (max_nesting)"));
    return;
  }
  ++at_;
}

bool Reader::next(bool& first, char close) {
  if (!ok()) return false;
  skip_space();
  if (at_ != end_ && *at_ == close) {
    ++at_;
    --depth_;
    return false;
  }
  if (first) {
    first = false;
    if (at_ != end_) return true;
    expected(close == ']' ? "a value or ]" : "a name or }");
    return false;
  }
  if (at_ == end_ || *at_ != ',') {
    expected(close == ']' ? ", or ]" : ", or }");
    return false;
  }
  ++at_;
  skip_space();
  if (at_ == end_ || *at_ == close) {
    expected("a value after the comma");
    return false;
  }
  return true;
}

bool Reader::next_member(bool& first, std::string& key) {
  if (!next(first, '}')) return false;
  if (*at_ != '"') {
    expected("a name in double quotes");
    return false;
  }
  read_string(key);
  skip_space();
  if (ok() && (at_ == end_ || *at_ != ':')) expected("a colon after the name");
  if (!ok()) return false;
  ++at_;
  return true;
}

bool Reader::hex4(uint32_t& out) {
  if (end_ - at_ < 4) return false;
  out = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = *at_++;
    const int digit = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
    if (digit < 0) return false;
    out = out << 4 | static_cast<uint32_t>(digit);
  }
  return true;
}

// Behind the backslash.
bool Reader::escape(std::string& out) {
  if (at_ == end_) return false;
  switch (*at_++) {
    case '"': out += '"'; return true;
    case '\\': out += '\\'; return true;
    case '/': out += '/'; return true;
    case 'b': out += '\b'; return true;
    case 'f': out += '\f'; return true;
    case 'n': out += '\n'; return true;
    case 'r': out += '\r'; return true;
    case 't': out += '\t'; return true;
    case 'u': break;
    default: return false;
  }
  uint32_t point;
  if (!hex4(point)) return false;
  if (point >= 0xd800 && point < 0xdc00) {
    uint32_t low;
    if (end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') return false;
    at_ += 2;
    if (!hex4(low) || low < 0xdc00 || low > 0xdfff) return false;
    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
  } else if (point >= 0xdc00 && point < 0xe000) {
    return false;
  }
  append_utf8(out, point);
  return true;
}

void Reader::read_string(std::string& out) {
  out.clear();
  if (peek() != Token::string) return expected("a string");
  const uint64_t start = offset();
  ++at_;
  for (;;) {
    const char* run = at_;
    while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20) ++at_;
    const std::string_view text(run, static_cast<size_t>(at_ - run));
    if (const size_t bad = find_invalid_utf8(text); bad != text.size()) {
      return fail_at(static_cast<uint64_t>(run - begin_) + bad, "a string is not UTF-8; write other bytes as {\"b64\": …}");
    }
    out += text;
    if (at_ == end_) return fail_at(start, "a string is not closed");
    if (*at_ == '"') {
      ++at_;
      return;
    }
    if (*at_ != '\\') return fail(concat("a string holds the control byte ", static_cast<int>(*at_), ", expected it escaped"));
    const uint64_t place = offset();
    ++at_;
    if (!escape(out)) return fail_at(place, "this is no escape of JSON (\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX, surrogates in pairs)");
  }
}

bool Reader::read_boolean() {
  skip_space();
  const std::string_view rest(at_, static_cast<size_t>(end_ - at_));
  for (const bool value : {true, false}) {
    const std::string_view word = value ? "true" : "false";
    if (rest.starts_with(word)) {
      at_ += word.size();
      return value;
    }
  }
  expected("true or false");
  return false;
}

const char* Reader::check_number(const char* at, const char* end, bool& integer) {
  integer = false;
  if (at != end && *at == '-') ++at;
  if (at == end) return nullptr;
  if (!number::is_digit(*at)) {
    const std::string_view rest(at, static_cast<size_t>(end - at));
    if (at[0] == 'N') return rest.starts_with("NaN") ? at + 3 : nullptr;
    if (rest.starts_with("Infinity")) return at + 8;
    return rest.starts_with("Inf") ? at + 3 : nullptr;
  }
  const auto digits = [&] {
    const char* before = at;
    while (at != end && number::is_digit(*at)) ++at;
    return at != before;
  };
  if (*at == '0') {
    ++at;
    if (at != end && number::is_digit(*at)) return nullptr;
  } else {
    digits();
  }
  integer = true;
  if (at != end && *at == '.') {
    integer = false;
    ++at;
    if (!digits()) return nullptr;
  }
  if (at != end && (*at | 0x20) == 'e') {
    integer = false;
    ++at;
    if (at != end && (*at == '+' || *at == '-')) ++at;
    if (!digits()) return nullptr;
  }
  return at;
}

void Reader::skip_value() {
  std::string text;
  switch (peek()) {
    case Token::object:
      open();
      for (bool first = true; next_member(first, text);) skip_value();
      return;
    case Token::array:
      open();
      for (bool first = true; next_element(first);) skip_value();
      return;
    case Token::string: return read_string(text);
    case Token::boolean: read_boolean(); return;
    case Token::number: {
      bool integer;
      const char* after = check_number(at_, end_, integer);
      if (after == nullptr) return fail("this is no number of JSON");
      at_ = after;
      return;
    }
    case Token::null:
      if (std::string_view(at_, static_cast<size_t>(end_ - at_)).starts_with("null")) {
        at_ += 4;
        return;
      }
      break;
    case Token::end:
    case Token::other: break;
  }
  expected("a value");
}

void Reader::finish() {
  if (!ok()) return;
  skip_space();
  if (at_ != end_) expected("the end of the text");
}

// ---- Writing

void append_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  size_t run = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) continue;
    out.append(text, run, i - run);
    run = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
  }
  out.append(text, run);
  out += '"';
}

namespace {

template <class T>
void append_any_float(std::string& out, T value) {
  char text[kNumberText];
  out.append(text, static_cast<size_t>(print_json_number(text, value) - text));
}

template <class T>
void append_any_integer(std::string& out, T value) {
  char text[kNumberText];
  out.append(text, static_cast<size_t>(print_number(text, value) - text));
}

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

void append_float(std::string& out, float value) { append_any_float(out, value); }
void append_float(std::string& out, double value) { append_any_float(out, value); }
void append_integer(std::string& out, int64_t value) { append_any_integer(out, value); }
void append_integer(std::string& out, uint64_t value) { append_any_integer(out, value); }

void append_base64(std::string& out, std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t have = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t k = 0; k < have; ++k) word |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[i + k])) << (16 - 8 * k);
    for (size_t k = 0; k < 4; ++k) out += k <= have ? kAlphabet[word >> (18 - 6 * k) & 63] : '=';
  }
}

bool decode_base64(std::string_view text, std::string& out) {
  uint32_t word = 0;
  unsigned bits = 0, padding = 0;
  size_t letters = 0;
  for (const char c : text) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (value < 0 || padding > 0) return false;
    word = word << 6 | static_cast<uint32_t>(value);
    bits += 6;
    ++letters;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(word >> bits & 0xff);
    }
  }
  if (letters % 4 == 1 || (word & ((1u << bits) - 1)) != 0) return false;
  return padding == 0 || (padding <= 2 && (letters + padding) % 4 == 0);
}

}  // namespace ferry::json
