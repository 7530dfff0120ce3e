// UTF-8: is it, where does it stop being it, and one code point out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ferry {

// The position of the first byte that is no well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms); text.size()
// where all of it is.
size_t find_invalid_utf8(std::string_view text);
inline bool is_utf8(std::string_view text) { return find_invalid_utf8(text) == text.size(); }

// `point` is a scalar value: below 0x110000 and no surrogate.
void append_utf8(std::string& out, uint32_t point);

// How many bytes the well-formed UTF-8 character at the front has; 0 where it is broken.
size_t utf8_length(std::string_view text);
// Control bytes (a terminal would obey them) and broken UTF-8 as \xNN; the rest as it is.
std::string printable(std::string_view text);
// Broken UTF-8 as U+FFFD, for formats whose text must be whole.
std::string valid_utf8(std::string_view text);

}  // namespace ferry
