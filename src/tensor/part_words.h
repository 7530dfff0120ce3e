// The names that parts of composite tensors have, for readers that list many arrays.
#pragma once

#include <string_view>

namespace ferry {

// Whether `name` ends in a word of the Parts rule. Without two such names find_parts() finds nothing.
bool may_be_part(std::string_view name);

}  // namespace ferry
