// Text spellings inside pickles: protocol 0's quoted strings, escapes and decimal integers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ferry::pickle {

// 'abc\n' or "abc", as Python 2's repr() writes a string. None where the quotes or an escape are broken.
std::optional<std::string> unescape_string(std::string_view line);
// raw-unicode-escape: \uXXXX and \UXXXXXXXX, every other byte a Latin-1 character. UTF-8 out.
std::optional<std::string> unescape_unicode(std::string_view line);
// A decimal integer of any length as two's complement, least byte first.
std::optional<std::string> decimal_to_bytes(std::string_view digits);
// The other way, for integers of at most 64 bytes; longer ones as hexadecimal.
std::string bytes_to_decimal(std::string_view bytes);

// UTF-8 of characters below 256 as their bytes. None for any other text.
std::optional<std::string> latin1_bytes(std::string_view utf8);

}  // namespace ferry::pickle
