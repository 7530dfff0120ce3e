// Many entries of metadata at once: Metadata::set() looks at all that are there, which for a million would be a million times a million.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "ferry/tensor_map.h"

namespace ferry {

using MetadataEntries = std::vector<std::pair<std::string_view, std::string_view>>;

// As set() for one after the other. What the views point at is outside `to`.
void set_all(Metadata& to, const MetadataEntries& entries);

}  // namespace ferry
