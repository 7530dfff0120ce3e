// fill_value in all its spellings, as the bytes of one element.
#pragma once

#include <string>

#include "formats/zarr/meta.h"

namespace ferry::zarr {

// Empty where the value is absent or null: zeros, or the empty string.
Result<std::string> parse_fill(const json::Tree* value, const Element& element);

}  // namespace ferry::zarr
