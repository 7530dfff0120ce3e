#include "wire/text_proto.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "wire/protobuf.h"
#include "wire/utf8.h"

namespace ferry::textproto {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_letter(c) || is_digit(c); }

std::optional<int> hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

class Transcoder {
 public:
  Transcoder(std::string_view text, std::span<const Message* const> known, const Limits& limits)
      : text_(text), known_(known), limits_(limits) {}

  Result<std::string> run(const Message& message) && {
    FERRY_RETURN_IF_ERROR(body(message, '\0', 0));
    return std::move(out_);
  }

 private:
  Status fail_at(size_t at, std::string_view what) const {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < text_.size(); ++i) text_[i] == '\n' ? (++line, column = 1) : ++column;
    return data_loss_at(at, concat("line ", line, ", column ", column, ": ", what));
  }
  Status fail(std::string_view what) const { return fail_at(at_, what); }
  std::string found() const {
    if (at_ >= text_.size()) return "the end of the text";
    size_t end = at_ + 1;
    if (is_word(text_[at_])) {
      while (end < text_.size() && is_word(text_[end])) ++end;
    }
    return quoted(text_.substr(at_, end - at_));
  }
  Status expected(std::string_view what) const { return fail(concat("found ", found(), ", expected ", what)); }

  void skip_space() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f') {
        ++at_;
      } else {
        return;
      }
    }
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  std::string_view word() {
    skip_space();
    const size_t begin = at_;
    if (at_ < text_.size() && is_letter(text_[at_])) {
      while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

  // Fields up to `close`, which is taken; '\0' is the end of the text.
  Status body(const Message& message, char close, uint64_t depth) {
    if (depth > limits_.max_nesting) return limit_exceeded(concat("messages are nested deeper than ", limits_.max_nesting));
    uint64_t seen = 0;
    for (;;) {
      const char c = peek();
      if (at_ >= text_.size()) {
        if (close == '\0') return {};
        return expected(concat("a field of ", message.name, " or '", close, "'"));
      }
      if (close != '\0' && c == close) {
        ++at_;
        return {};
      }
      if (c == '[') {
        FERRY_RETURN_IF_ERROR(any(message, depth));
      } else {
        FERRY_RETURN_IF_ERROR(field(message, seen, depth));
      }
      if (peek() == ',' || peek() == ';') ++at_;
    }
  }

  Status field(const Message& message, uint64_t& seen, uint64_t depth) {
    const size_t begin = at_;
    const std::string_view name = word();
    if (name.empty()) return expected(concat("the name of a field of ", message.name));
    size_t i = 0;
    while (i < message.fields.size() && message.fields[i].name != name) ++i;
    if (i == message.fields.size()) return fail_at(begin, concat(message.name, " has no field ", quoted(name)));
    const Field& f = message.fields[i];
    if (!f.repeated && i < 64) {
      if (seen >> i & 1) return fail_at(begin, concat("the field ", quoted(name), " of ", message.name, " is given twice"));
      seen |= uint64_t{1} << i;
    }
    const bool colon = take(':');
    if (!colon && f.type != Type::message) return expected(concat("':' and the value of ", quoted(name)));
    if (peek() != '[') return value(f, depth);
    if (!f.repeated) return fail(concat("a list stands for the field ", quoted(name), ", which is not repeated"));
    ++at_;
    if (take(']')) return {};
    for (;;) {
      FERRY_RETURN_IF_ERROR(value(f, depth));
      if (take(']')) return {};
      if (!take(',')) return expected("',' or ']'");
    }
  }

  // [type.googleapis.com/tensorflow.Example] { … } as the contents of an Any.
  Status any(const Message& message, uint64_t depth) {
    const size_t begin = at_++;
    const size_t end = text_.find(']', at_);
    if (message.name != "google.protobuf.Any" || end == text_.npos) {
      at_ = begin;
      return expected(concat("the name of a field of ", message.name));
    }
    std::string_view url = text_.substr(at_, end - at_);
    while (!url.empty() && std::isspace(static_cast<unsigned char>(url.front()))) url.remove_prefix(1);
    while (!url.empty() && std::isspace(static_cast<unsigned char>(url.back()))) url.remove_suffix(1);
    const std::string_view name = url.substr(url.rfind('/') + 1);  // npos + 1 is 0
    const Message* inner = nullptr;
    for (const Message* candidate : known_) {
      if (candidate->name == name) inner = candidate;
    }
    if (inner == nullptr) return fail_at(begin, concat("the type ", quoted(name), " within a google.protobuf.Any is not known"));
    at_ = end + 1;
    take(':');
    proto::append_bytes_field(out_, 1, url);
    proto::append_tag(out_, proto::bytes_tag(2));
    return nested(*inner, depth);
  }

  // A message in its brackets; the tag stands already. Its length is put before it once it is known.
  Status nested(const Message& message, uint64_t depth) {
    const char open = peek();
    if (open != '{' && open != '<') return expected(concat("'{' and a ", message.name));
    ++at_;
    const size_t begin = out_.size();
    FERRY_RETURN_IF_ERROR(body(message, open == '{' ? '}' : '>', depth + 1));
    char length[16];
    const size_t size = static_cast<size_t>(proto::put_varint(length, out_.size() - begin) - length);
    out_.insert(begin, length, size);
    return {};
  }

  Status value(const Field& f, uint64_t depth) {
    using proto::Wire;
    switch (f.type) {
      case Type::message: proto::append_tag(out_, proto::bytes_tag(f.number)); return nested(*f.message, depth);
      case Type::text:
      case Type::bytes: return strings(f);
      case Type::boolean: return boolean(f);
      case Type::enumeration: return enumeration(f);
      case Type::float32:
      case Type::float64: return floating(f);
      case Type::int32:
      case Type::int64:
      case Type::uint32:
      case Type::uint64:
      case Type::sint32:
      case Type::sint64:
      case Type::fixed32:
      case Type::fixed64:
      case Type::sfixed32:
      case Type::sfixed64: return integer(f);
    }
    __builtin_unreachable();
  }

  Status strings(const Field& f) {
    std::string bytes;
    bool any_piece = false;
    while (peek() == '"' || peek() == '\'') {
      FERRY_RETURN_IF_ERROR(string(bytes));
      any_piece = true;
    }
    if (!any_piece) return expected(concat("a text in quotes for the field ", quoted(f.name)));
    proto::append_bytes_field(out_, f.number, bytes);
    return {};
  }

  Status string(std::string& out) {
    const size_t begin = at_;
    const char quote = text_[at_++];
    for (;;) {
      const size_t plain = at_;
      while (at_ < text_.size() && text_[at_] != quote && text_[at_] != '\\' && text_[at_] != '\n') ++at_;
      out += text_.substr(plain, at_ - plain);
      if (at_ >= text_.size() || text_[at_] == '\n') return fail_at(begin, "a text in quotes does not end on its line");
      if (text_[at_++] == quote) return {};
      FERRY_RETURN_IF_ERROR(escape(out));
    }
  }

  // Behind the backslash.
  Status escape(std::string& out) {
    const size_t begin = at_ - 1;
    if (at_ >= text_.size()) return fail_at(begin, "a text in quotes does not end");
    const char c = text_[at_++];
    constexpr std::string_view kNamed = "abfnrtv?\\'\"", kMeant = "\a\b\f\n\r\t\v?\\'\"";
    if (const size_t i = kNamed.find(c); i != kNamed.npos) {
      out += kMeant[i];
      return {};
    }
    if (c >= '0' && c <= '7') {
      unsigned value = static_cast<unsigned>(c - '0');
      for (int k = 0; k < 2 && at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '7'; ++k)
        value = 8 * value + static_cast<unsigned>(text_[at_++] - '0');
      if (value > 255) return fail_at(begin, "an octal escape beyond \\377");
      out += static_cast<char>(value);
      return {};
    }
    const int digits = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) return fail_at(begin, concat("the escape ", quoted(text_.substr(begin, 2)), " is not one of the text format"));
    uint32_t value = 0;
    int count = 0;
    for (; count < digits && at_ < text_.size() && hex_digit(text_[at_]); ++count)
      value = value << 4 | static_cast<uint32_t>(*hex_digit(text_[at_++]));
    if (digits == 2 ? count == 0 : count != digits) return fail_at(begin, "an escape without its hexadecimal digits");
    if (digits == 2) {
      out += static_cast<char>(value);
      return {};
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return fail_at(begin, "an escape that is no Unicode character");
    append_utf8(out, value);
    return {};
  }

  static void append_utf8(std::string& out, uint32_t c) {
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += static_cast<char>(0xc0 | c >> 6);
      out += static_cast<char>(0x80 | (c & 63));
    } else if (c < 0x10000) {
      out += static_cast<char>(0xe0 | c >> 12);
      out += static_cast<char>(0x80 | (c >> 6 & 63));
      out += static_cast<char>(0x80 | (c & 63));
    } else {
      out += static_cast<char>(0xf0 | c >> 18);
      out += static_cast<char>(0x80 | (c >> 12 & 63));
      out += static_cast<char>(0x80 | (c >> 6 & 63));
      out += static_cast<char>(0x80 | (c & 63));
    }
  }

  Status boolean(const Field& f) {
    const size_t begin = (skip_space(), at_);
    const std::string_view text = token();
    if (text == "true" || text == "True" || text == "t" || text == "1") {
      proto::append_varint_field(out_, f.number, 1);
    } else if (text == "false" || text == "False" || text == "f" || text == "0") {
      proto::append_varint_field(out_, f.number, 0);
    } else {
      at_ = begin;
      return expected(concat("true or false for the field ", quoted(f.name)));
    }
    return {};
  }

  // Letters, digits, points, signs of an exponent: a number or a word.
  std::string_view token() {
    skip_space();
    const size_t begin = at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool exponent_sign =
          (c == '+' || c == '-') && at_ > begin && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E') && is_digit(text_[begin]);
      if (!is_word(c) && c != '.' && !exponent_sign) break;
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

  Status enumeration(const Field& f) {
    const char c = peek();
    if (is_letter(c)) {
      const size_t begin = at_;
      const std::string_view name = word();
      for (const EnumValue& candidate : f.enumeration->values) {
        if (candidate.name != name) continue;
        proto::append_varint_field(out_, f.number, static_cast<uint64_t>(static_cast<int64_t>(candidate.number)));
        return {};
      }
      return fail_at(begin, concat(f.enumeration->name, " has no value ", quoted(name)));
    }
    return integer(f);
  }

  struct Number {
    bool negative = false;
    uint64_t magnitude = 0;
  };
  // Decimal, 0x hexadecimal, 0 octal.
  Result<Number> whole_number() {
    Number out;
    out.negative = take('-');
    const size_t begin = (skip_space(), at_);
    std::string_view digits = token();
    int base = 10;
    if (digits.starts_with("0x") || digits.starts_with("0X")) {
      base = 16;
      digits.remove_prefix(2);
    } else if (digits.size() > 1 && digits[0] == '0') {
      base = 8;
      digits.remove_prefix(1);
    }
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.magnitude, base);
    if (error == std::errc::result_out_of_range) return fail_at(begin, "an integer of more than 64 bits");
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
      at_ = begin;
      return expected("an integer");
    }
    return out;
  }

  Status integer(const Field& f) {
    const size_t begin = (skip_space(), at_);
    FERRY_ASSIGN_OR_RETURN(const Number number, whole_number());
    const bool narrow = f.type == Type::int32 || f.type == Type::uint32 || f.type == Type::sint32 || f.type == Type::fixed32 ||
                        f.type == Type::sfixed32 || f.type == Type::enumeration;
    const bool is_signed = f.type != Type::uint32 && f.type != Type::uint64 && f.type != Type::fixed32 && f.type != Type::fixed64;
    uint64_t most = narrow ? std::numeric_limits<uint32_t>::max() : std::numeric_limits<uint64_t>::max();
    if (is_signed) most >>= 1;
    if (number.negative ? !is_signed || number.magnitude > most + 1 : number.magnitude > most)
      return fail_at(begin, concat("the number does not fit the field ", quoted(f.name)));
    const uint64_t bits = number.negative ? ~number.magnitude + 1 : number.magnitude;
    switch (f.type) {
      case Type::sint32:
      case Type::sint64: proto::append_varint_field(out_, f.number, proto::zigzag_encode(static_cast<int64_t>(bits))); break;
      case Type::fixed32:
      case Type::sfixed32: proto::append_fixed_field(out_, f.number, static_cast<uint32_t>(bits)); break;
      case Type::fixed64:
      case Type::sfixed64: proto::append_fixed_field(out_, f.number, bits); break;
      default: proto::append_varint_field(out_, f.number, bits);
    }
    return {};
  }

  Status floating(const Field& f) {
    const bool negative = take('-');
    const size_t begin = (skip_space(), at_);
    if (peek() == '+') return expected("a number");
    std::string text(token());
    double wide = 0;
    float narrow = 0;
    const auto same = [&](std::string_view word) {
      return text.size() == word.size() && std::equal(word.begin(), word.end(), text.begin(),
                                                      [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
    };
    if (same("inf") || same("infinity") || same("inff") || same("infinityf")) {
      wide = std::numeric_limits<double>::infinity();
      narrow = std::numeric_limits<float>::infinity();
    } else if (same("nan") || same("nanf")) {
      wide = std::numeric_limits<double>::quiet_NaN();
      narrow = std::numeric_limits<float>::quiet_NaN();
    } else {
      if (!text.empty() && (text.back() == 'f' || text.back() == 'F') && !text.starts_with("0x")) text.pop_back();
      const char* const end = text.data() + text.size();
      // A number too large is infinite, one too small is zero, as strtod has it.
      char* stop = nullptr;
      if (text.empty() || (!is_digit(text[0]) && text[0] != '.') || text.starts_with("0x") || text.starts_with("0X") ||
          (wide = std::strtod(text.c_str(), &stop), stop != end)) {
        at_ = begin;
        return expected(concat("a number for the field ", quoted(f.name)));
      }
      narrow = std::strtof(text.c_str(), nullptr);
    }
    if (f.type == Type::float32) {
      proto::append_fixed_field(out_, f.number, negative ? -narrow : narrow);
    } else {
      proto::append_fixed_field(out_, f.number, negative ? -wide : wide);
    }
    return {};
  }

  std::string_view text_;
  std::span<const Message* const> known_;
  const Limits& limits_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> to_wire(std::string_view text, const Message& message, std::span<const Message* const> known, const Limits& limits) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return Transcoder(text, known, limits).run(message);
}

std::string_view first_field(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  for (;;) {
    const size_t begin = text.find_first_not_of(" \t\r\n\v\f");
    if (begin == text.npos) return {};
    text.remove_prefix(begin);
    if (text[0] != '#') break;
    text.remove_prefix(std::min(text.find('\n'), text.size()));
  }
  size_t end = 0;
  while (end < text.size() && is_word(text[end])) ++end;
  if (end == 0 || !is_letter(text[0])) return {};
  const size_t next = text.find_first_not_of(" \t\r\n\v\f", end);
  if (next == text.npos || (text[next] != ':' && text[next] != '{' && text[next] != '<')) return {};
  return text.substr(0, end);
}

}  // namespace ferry::textproto
