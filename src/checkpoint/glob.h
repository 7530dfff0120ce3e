// Shell patterns whose stars remember what they stood for: '*/qkv' makes '*/q' of a name.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ferry {

// What each * stands for, the first ones as short as the match allows; nothing where the name does not match. ? is any one letter.
std::optional<std::vector<std::string_view>> match_stars(std::string_view pattern, std::string_view name);
size_t count_stars(std::string_view pattern);
// `pattern` with its stars filled in, in order; there are as many of them or more.
std::string fill_stars(std::string_view pattern, const std::vector<std::string_view>& stars);
// As people number things: "layer2" before "layer10".
bool before_by_number(std::string_view a, std::string_view b);

}  // namespace ferry
