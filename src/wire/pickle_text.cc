#include "wire/pickle_text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <vector>

#include "wire/utf8.h"

namespace ferry::pickle {
namespace {

std::optional<uint32_t> hex(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> latin1_bytes(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<uint8_t>(utf8[i]);
    if (byte < 0x80) {
      out += static_cast<char>(byte);
    } else if ((byte == 0xc2 || byte == 0xc3) && i + 1 < utf8.size()) {
      out += static_cast<char>((byte & 3) << 6 | (static_cast<uint8_t>(utf8[++i]) & 0x3f));
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<std::string> unescape_string(std::string_view line) {
  if (line.size() < 2 || line.front() != line.back() || (line.front() != '\'' && line.front() != '"')) return std::nullopt;
  line = line.substr(1, line.size() - 2);
  std::string out;
  out.reserve(line.size());
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      out += line[i];
      continue;
    }
    if (++i == line.size()) return std::nullopt;
    switch (line[i]) {
      case '\n': break;
      case '\\':
      case '\'':
      case '"': out += line[i]; break;
      case 'a': out += '\a'; break;
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'v': out += '\v'; break;
      case 'x': {
        const auto value = i + 2 < line.size() ? hex(line.substr(i + 1, 2)) : std::nullopt;
        if (!value) return std::nullopt;
        out += static_cast<char>(*value);
        i += 2;
        break;
      }
      default: {
        if (line[i] < '0' || line[i] > '7') return std::nullopt;
        unsigned value = 0;
        size_t digits = 0;
        while (digits < 3 && i + digits < line.size() && line[i + digits] >= '0' && line[i + digits] <= '7') {
          value = value * 8 + static_cast<unsigned>(line[i + digits++] - '0');
        }
        out += static_cast<char>(value);
        i += digits - 1;
      }
    }
  }
  return out;
}

std::optional<std::string> unescape_unicode(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  uint32_t high = 0;  // a surrogate that waits for its other half
  const auto put = [&](uint32_t code) {
    if (high != 0 && code >= 0xdc00 && code < 0xe000) {
      code = 0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00);
      high = 0;
    } else if (high != 0) {
      return false;
    }
    if (code >= 0xd800 && code < 0xdc00) {
      high = code;
      return true;
    }
    if (code > 0x10ffff || (code >= 0xdc00 && code < 0xe000)) return false;
    append_utf8(out, code);
    return true;
  };
  for (size_t i = 0; i < line.size(); ++i) {
    const bool escape = line[i] == '\\' && i + 1 < line.size() && (line[i + 1] == 'u' || line[i + 1] == 'U');
    if (!escape) {
      if (!put(static_cast<uint8_t>(line[i]))) return std::nullopt;
      continue;
    }
    const size_t size = line[i + 1] == 'u' ? 4 : 8;
    const auto value = line.size() - i - 2 >= size ? hex(line.substr(i + 2, size)) : std::nullopt;
    if (!value || !put(*value)) return std::nullopt;
    i += 1 + size;
  }
  if (high != 0) return std::nullopt;
  return out;
}

std::optional<std::string> decimal_to_bytes(std::string_view digits) {
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  if (digits.empty()) return std::nullopt;
  std::vector<uint32_t> words;  // magnitude, least first
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    uint64_t carry = static_cast<uint64_t>(c - '0');
    for (uint32_t& word : words) {
      carry += uint64_t{word} * 10;
      word = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) words.push_back(static_cast<uint32_t>(carry));
  }
  words.push_back(0);  // room for the sign
  std::string out;
  uint64_t borrow = 1;
  for (uint32_t word : words) {
    if (negative) {
      borrow += static_cast<uint32_t>(~word);
      word = static_cast<uint32_t>(borrow);
      borrow >>= 32;
    }
    for (int i = 0; i < 4; ++i) out += static_cast<char>(word >> (8 * i));
  }
  // The shortest that keeps the sign, as pickle writes it.
  const char fill = negative ? '\xff' : '\0';
  while (out.size() > 1 && out.back() == fill && ((out[out.size() - 2] ^ fill) & 0x80) == 0) out.pop_back();
  return out;
}

std::string bytes_to_decimal(std::string_view bytes) {
  const bool negative = !bytes.empty() && static_cast<int8_t>(bytes.back()) < 0;
  std::vector<uint8_t> magnitude(bytes.begin(), bytes.end());
  if (negative) {
    unsigned carry = 1;
    for (uint8_t& byte : magnitude) {
      carry += static_cast<uint8_t>(~byte);
      byte = static_cast<uint8_t>(carry);
      carry >>= 8;
    }
    if (carry != 0) magnitude.push_back(static_cast<uint8_t>(carry));
  }
  while (!magnitude.empty() && magnitude.back() == 0) magnitude.pop_back();
  std::string out;
  if (magnitude.size() > 64) {
    static constexpr char kDigits[] = "0123456789abcdef";
    for (const uint8_t byte : magnitude) {
      out += kDigits[byte & 15];
      out += kDigits[byte >> 4];
    }
    out += "x0";
  } else {
    while (!magnitude.empty()) {
      unsigned rest = 0;
      for (size_t i = magnitude.size(); i-- > 0;) {
        rest = rest << 8 | magnitude[i];
        magnitude[i] = static_cast<uint8_t>(rest / 10);
        rest %= 10;
      }
      out += static_cast<char>('0' + rest);
      while (!magnitude.empty() && magnitude.back() == 0) magnitude.pop_back();
    }
    if (out.empty()) out = "0";
  }
  if (negative) out += '-';
  std::ranges::reverse(out);
  return out;
}

}  // namespace ferry::pickle
