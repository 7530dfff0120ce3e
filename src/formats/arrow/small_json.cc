#include "formats/arrow/small_json.h"

#include <charconv>

#include "wire/utf8.h"

namespace ferry::arrow {
namespace {

constexpr size_t kMaxText = 1 << 20;
constexpr int kMaxDepth = 16;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Json> document() {
    Json out;
    FERRY_RETURN_IF_ERROR(value(out, 0));
    skip_space();
    if (at_ != text_.size()) return fail("the end");
    return out;
  }

 private:
  Status fail(std::string_view expected) const {
    return data_loss(concat("extension metadata is not valid JSON: expected ", expected, " at character ", at_, " of ", quoted(text_)));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Status value(Json& out, int depth) {
    if (depth > kMaxDepth) return fail("less nesting");
    skip_space();
    if (take('{')) return members(out, depth);
    if (take('[')) return elements(out, depth);
    if (at_ < text_.size() && text_[at_] == '"') {
      out.kind = Json::Kind::text;
      return string(out.text);
    }
    if (take("null")) return {};
    if (take("true") || take("false")) {
      out.kind = Json::Kind::boolean;
      out.number = text_[at_ - 2] == 'u';
      return {};
    }
    return number(out);
  }

  Status number(Json& out) {
    out.kind = Json::Kind::number;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), out.number);
    if (error != std::errc()) return fail("a whole number that fits 64 bits");
    at_ = static_cast<size_t>(end - text_.data());
    if (at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E')) return fail("a whole number");
    return {};
  }

  Status elements(Json& out, int depth) {
    out.kind = Json::Kind::list;
    if (take(']')) return {};
    do {
      FERRY_RETURN_IF_ERROR(value(out.items.emplace_back(), depth + 1));
    } while (take(','));
    return take(']') ? Status() : fail("',' or ']'");
  }

  Status members(Json& out, int depth) {
    out.kind = Json::Kind::object;
    if (take('}')) return {};
    do {
      skip_space();
      FERRY_RETURN_IF_ERROR(string(out.keys.emplace_back()));
      if (!take(':')) return fail("':'");
      FERRY_RETURN_IF_ERROR(value(out.items.emplace_back(), depth + 1));
    } while (take(','));
    return take('}') ? Status() : fail("',' or '}'");
  }

  Status string(std::string& out) {
    if (at_ >= text_.size() || text_[at_] != '"') return fail("a string");
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return {};
      }
      if (c != '\\') {
        out += c;
        continue;
      }
      if (++at_ >= text_.size()) break;
      switch (text_[at_]) {
        case 'n': out += '\n'; break;
        case 't': out += '\t'; break;
        case 'r': out += '\r'; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'u': FERRY_RETURN_IF_ERROR(escape(out)); break;
        default: out += text_[at_];
      }
    }
    return fail("'\"'");
  }

  Result<uint32_t> unit() {
    uint32_t out = 0;
    const char* first = text_.data() + at_ + 1;
    if (text_.size() - at_ < 5 || std::from_chars(first, first + 4, out, 16).ptr != first + 4) return fail("four hexadecimal digits");
    at_ += 4;
    return out;
  }

  Status escape(std::string& out) {
    FERRY_ASSIGN_OR_RETURN(uint32_t point, unit());
    if (point >= 0xd800 && point < 0xdc00 && text_.substr(at_ + 1).starts_with("\\u")) {
      at_ += 2;
      FERRY_ASSIGN_OR_RETURN(const uint32_t low, unit());
      if (low < 0xdc00 || low > 0xdfff) return fail("the second half of a surrogate pair");
      point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    if (point >= 0xd800 && point < 0xe000) return fail("a whole surrogate pair");
    append_utf8(out, point);
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

const Json* Json::find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == key) return &items[i];
  }
  return nullptr;
}

std::optional<std::vector<int64_t>> Json::numbers() const {
  if (kind != Kind::list) return std::nullopt;
  std::vector<int64_t> out;
  for (const Json& item : items) {
    if (item.kind != Kind::number && item.kind != Kind::null) return std::nullopt;
    out.push_back(item.kind == Kind::null ? -1 : item.number);
  }
  return out;
}

Result<Json> parse_json(std::string_view text) {
  if (text.size() > kMaxText)
    return limit_exceeded(concat("extension metadata of ", text.size(), " bytes, at most ", kMaxText, " are read"));
  return Parser(text).document();
}

std::string json_list(std::span<const int64_t> numbers) {
  std::string out = "[";
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) out += ',';
    out += numbers[i] < 0 ? std::string("null") : concat(numbers[i]);
  }
  return out + "]";
}

std::string json_text(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += concat("\\u00", kHex[static_cast<size_t>(c) >> 4], kHex[static_cast<size_t>(c) & 15]);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace ferry::arrow
