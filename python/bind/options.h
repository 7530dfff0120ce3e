// Words that stand for enums and settings in calls from Python.
#pragma once

#include "bind.h"
#include "ferry/limits.h"
#include "ferry/sparse.h"

namespace ferry::py {

inline nb::str word(std::string_view text) { return nb::str(text.data(), text.size()); }

Validation validation_level(std::string_view name);
Layout to_layout_name(std::string_view name);
Duplicates to_duplicates(std::string_view name);
Limits to_limits(nb::handle mapping);  // None, or field names with numbers

}  // namespace ferry::py
