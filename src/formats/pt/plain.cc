#include "formats/pt/plain.h"

#include <algorithm>
#include <cmath>

#include "wire/number.h"
#include "wire/pickle_text.h"
#include "wire/utf8.h"

namespace ferry::pt {
namespace {

using pickle::Id;
using pickle::Kind;

constexpr int kDeepest = 100;

void append_real(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-Infinity" : "Infinity";
  } else {
    char buffer[kNumberText + 2];
    const std::string_view text(buffer, static_cast<size_t>(print_number(buffer, value) - buffer));
    out += text;
    if (text.find_first_not_of("-0123456789") == std::string_view::npos) out += ".0";
  }
}

// Bytes that are no UTF-8 show as \xNN.
void append_text(std::string& out, std::string_view text, bool quote) {
  static constexpr char kHex[] = "0123456789abcdef";
  const bool valid = is_utf8(text);
  if (!quote && valid) {
    out += text;
    return;
  }
  if (quote) out += '"';
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (quote && (c == '"' || c == '\\')) {
      out += '\\';
      out += c;
    } else if (quote && byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else if (byte >= 0x80 && !valid) {
      out += quote ? "\\\\x" : "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  if (quote) out += '"';
}

class Speller {
 public:
  Speller(const pickle::Document& document, const Interpreter& interpreter, uint64_t most, std::string& out)
      : document_(document), interpreter_(interpreter), end_(out.size() + most), out_(out) {}

  Status add(Id id, bool quote, int depth) {
    if (out_.size() > end_) return limit_exceeded("a value of the checkpoint is too long as text");
    if (depth > kDeepest) return limit_exceeded(concat("lists are nested deeper than ", kDeepest));
    const auto word = [&](std::string_view text) {
      append_text(out_, text, quote);
      return Status();
    };
    switch (document_.kind(id)) {
      case Kind::none: out_ += "null"; return {};
      case Kind::boolean: out_ += document_.boolean(id) ? "true" : "false"; return {};
      case Kind::integer: out_ += concat(document_.integer(id)); return {};
      case Kind::big_integer: out_ += pickle::bytes_to_decimal(document_.text(id)); return {};
      case Kind::real: append_real(out_, document_.real(id)); return {};
      case Kind::text:
      case Kind::bytes:
        // Checked before it is copied: one long string may stand in many places.
        if (document_.text(id).size() > end_ - std::min<uint64_t>(end_, out_.size()))
          return limit_exceeded("a text of the checkpoint is too long");
        return word(document_.text(id));
      case Kind::list:
      case Kind::tuple:
      case Kind::set: return list(document_.items(id), depth);
      case Kind::global: return word(name_of(id));
      case Kind::dict: return word("<dict>");
      case Kind::persistent: return word("<object kept outside>");
      case Kind::object: return object(id, quote, depth);
    }
    __builtin_unreachable();
  }

 private:
  Status list(std::span<const Id> items, int depth) {
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += ", ";
      FERRY_RETURN_IF_ERROR(add(items[i], true, depth + 1));
    }
    out_ += ']';
    return {};
  }
  std::string name_of(Id global) const {
    const auto& it = document_.global(global);
    return it.module == "builtins" ? std::string(it.name) : concat(it.module, ".", it.name);
  }
  Status object(Id id, bool quote, int depth) {
    const pickle::Object& it = document_.object(id);
    const auto args = document_.items(it.args);
    const auto what = interpreter_.called(id);
    if ((what == What::encode || what == What::bytes) && !args.empty() && document_.kind(args[0]) == Kind::text) {
      const auto bytes = pickle::latin1_bytes(document_.text(args[0]));
      append_text(out_, bytes ? std::string_view(*bytes) : document_.text(args[0]), quote);
      return {};
    }
    if ((what == What::list || what == What::tuple || what == What::set || what == What::script_list)) {
      std::vector<Id> items;
      if (!args.empty()) {
        const Kind kind = document_.kind(args[0]);
        if (kind == Kind::list || kind == Kind::tuple || kind == Kind::set)
          items.assign(document_.items(args[0]).begin(), document_.items(args[0]).end());
      }
      items.insert(items.end(), it.appended.begin(), it.appended.end());
      return list(items, depth);
    }
    if (what == What::complex_ && args.size() == 2) {
      std::string text;
      Speller inner(document_, interpreter_, end_, text);
      FERRY_RETURN_IF_ERROR(inner.add(args[0], false, depth + 1));
      const size_t middle = text.size();
      FERRY_RETURN_IF_ERROR(inner.add(args[1], false, depth + 1));
      if (text.size() > middle && text[middle] != '-') text.insert(middle, 1, '+');
      append_text(out_, text + "j", quote);
      return {};
    }
    if (what == What::text) {
      // Path("a", "b"); device("cuda", 0)
      std::string text;
      Speller inner(document_, interpreter_, end_ - std::min<uint64_t>(end_, out_.size()), text);
      const bool device = document_.kind(it.callable) == Kind::global && meaning(document_.global(it.callable).tag).form == 1;
      for (size_t i = 0; i < args.size(); ++i) {
        if (i > 0) text += device ? ":" : text.ends_with('/') ? "" : "/";
        FERRY_RETURN_IF_ERROR(inner.add(args[i], false, depth + 1));
      }
      append_text(out_, text, quote);
      return {};
    }
    if (what == What::rebuild_meta) {
      append_text(out_, "<tensor without data, on the meta device>", quote);
      return {};
    }
    append_text(out_, concat("<", document_.kind(it.callable) == Kind::global ? name_of(it.callable) : std::string("object"), ">"), quote);
    return {};
  }

  const pickle::Document& document_;
  const Interpreter& interpreter_;
  const uint64_t end_;
  std::string& out_;
};

}  // namespace

Status append_plain(const pickle::Document& document, const Interpreter& interpreter, Id id, uint64_t most, std::string& out) {
  return Speller(document, interpreter, most, out).add(id, false, 0);
}

}  // namespace ferry::pt
