#include "formats/npy/literal.h"

namespace ferry::npy {
namespace {

constexpr int kDeepest = 32;  // a header needs three levels

class Parser {
 public:
  Parser(std::string_view text, uint64_t base) : text_(text), base_(base) {}

  Result<ParsedLiteral> whole() {
    FERRY_ASSIGN_OR_RETURN(Literal value, literal(0));
    skip_space();
    std::string_view comment;
    if (!done() && peek() == '#') {
      const size_t end = std::min(text_.find('\n', at_), text_.size());
      comment = trimmed(text_.substr(at_ + 1, end - at_ - 1));
      at_ = end;
      skip_space();
    }
    if (!done()) return wrong("the header to end");
    return ParsedLiteral{std::move(value), comment};
  }

 private:
  bool done() const { return at_ == text_.size(); }
  char peek() const { return text_[at_]; }
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
  static std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
  }
  void skip_space() {
    while (!done() && is_space(peek())) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (done() || peek() != c) return false;
    ++at_;
    return true;
  }
  Status wrong(std::string_view expected) const {
    return data_loss_at(base_ + at_, concat("header ", done() ? std::string("ends here") : concat("has ", quoted(text_.substr(at_, 20))),
                                            ", expected ", expected));
  }

  Result<Literal> literal(int depth) {
    if (depth > kDeepest) return data_loss_at(base_ + at_, concat("header is nested more than ", kDeepest, " levels deep"));
    skip_space();
    if (done()) return wrong("a value");
    const size_t start = at_;
    FERRY_ASSIGN_OR_RETURN(Literal out, value(depth));
    out.source = text_.substr(start, at_ - start);
    return out;
  }

  Result<Literal> value(int depth) {
    const char c = peek();
    if (c == '{') return dict(depth);
    if (c == '(') return sequence(Literal::Kind::tuple, ')', depth);
    if (c == '[') return sequence(Literal::Kind::list, ']', depth);
    if (c == '\'' || c == '"') return string();
    // Python 2 wrote u'…' for some names.
    if ((c == 'u' || c == 'b') && at_ + 1 < text_.size() && (text_[at_ + 1] == '\'' || text_[at_ + 1] == '"')) {
      ++at_;
      return string();
    }
    if (c == '-' || (c >= '0' && c <= '9')) return integer();
    Literal out;
    if (word("True")) {
      out.kind = Literal::Kind::boolean;
      out.truth = true;
    } else if (word("False")) {
      out.kind = Literal::Kind::boolean;
    } else if (!word("None")) {
      return wrong("a Python literal");
    }
    return out;
  }

  bool word(std::string_view wanted) {
    if (!text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }

  Result<Literal> integer() {
    Literal out;
    out.kind = Literal::Kind::integer;
    const bool negative = peek() == '-';
    if (negative) ++at_;
    if (done() || peek() < '0' || peek() > '9') return wrong("a digit");
    while (!done() && peek() >= '0' && peek() <= '9') {
      if (__builtin_mul_overflow(out.number, 10, &out.number) || __builtin_add_overflow(out.number, peek() - '0', &out.number)) {
        return data_loss_at(base_ + at_, "header has a number of more than 63 bits");
      }
      ++at_;
    }
    if (!done() && peek() == 'L') ++at_;  // as Python 2 wrote long integers
    if (negative) out.number = -out.number;
    return out;
  }

  Result<Literal> string() {
    Literal out;
    out.kind = Literal::Kind::text;
    const char quote = peek();
    ++at_;
    for (;; ++at_) {
      if (done()) return wrong("the end of a string");
      char c = peek();
      if (c == quote) break;
      if (c == '\n') return wrong("the end of a string");
      if (c == '\\') {
        ++at_;
        if (done()) return wrong("an escape");
        c = peek();
        if (c != '\\' && c != '\'' && c != '"') return wrong("an escape of a quote or a backslash");
      }
      out.text += c;
    }
    ++at_;
    return out;
  }

  // After the opening bracket; a trailing comma is allowed, and makes a tuple of one.
  Result<Literal> sequence(Literal::Kind kind, char close, int depth) {
    ++at_;
    Literal out;
    out.kind = kind;
    bool comma = true;
    while (!take(close)) {
      if (!comma) return wrong("a comma or a closing bracket");
      FERRY_ASSIGN_OR_RETURN(Literal item, literal(depth + 1));
      out.items.push_back(std::move(item));
      comma = take(',');
    }
    if (kind == Literal::Kind::tuple && out.items.size() == 1 && !comma) {
      Literal inner = std::move(out.items[0]);  // (x) is x
      return inner;
    }
    return out;
  }

  Result<Literal> dict(int depth) {
    ++at_;
    Literal out;
    out.kind = Literal::Kind::dict;
    bool comma = true;
    while (!take('}')) {
      if (!comma) return wrong("a comma or a closing brace");
      FERRY_ASSIGN_OR_RETURN(Literal key, literal(depth + 1));
      if (key.kind != Literal::Kind::text) return wrong("keys that are strings");
      if (!take(':')) return wrong("a colon");
      FERRY_ASSIGN_OR_RETURN(Literal item, literal(depth + 1));
      out.items.push_back(std::move(key));
      out.items.push_back(std::move(item));
      comma = take(',');
    }
    return out;
  }

  std::string_view text_;
  uint64_t base_;
  size_t at_ = 0;
};

}  // namespace

Result<ParsedLiteral> parse_literal(std::string_view text, uint64_t base) { return Parser(text, base).whole(); }

}  // namespace ferry::npy
