// Types as the format strings of the C data interface, and its encoding of metadata.
#pragma once

#include <string>
#include <string_view>

#include "ferry/status.h"
#include "formats/arrow/schema.h"

namespace ferry::arrow {

std::string format_string(const Type& type);
Result<Type> parse_format_string(std::string_view format);

// int32 count, then for each pair int32 length and bytes of key and value.
std::string encode_metadata(const Metadata& metadata);
Result<Metadata> decode_metadata(const char* encoded);

}  // namespace ferry::arrow
