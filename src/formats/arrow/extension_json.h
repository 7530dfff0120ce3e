// The JSON of extension metadata: a few short lists of numbers. Not for data: formats/json is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/json_tree.h"

namespace ferry::arrow {

Result<json::Tree> parse_extension(std::string_view text);

// A list of whole numbers, null as -1; nothing where it is something else.
std::optional<std::vector<int64_t>> numbers_of(const json::Tree& list);
std::string json_list(std::span<const int64_t> numbers);  // [2,3], -1 as null

}  // namespace ferry::arrow
