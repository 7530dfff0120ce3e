// The JSON of extension metadata: a few short lists of numbers. Not for data: formats/json is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/status.h"

namespace ferry::arrow {

struct Json {
  enum class Kind : uint8_t { null, boolean, number, text, list, object };
  Kind kind = Kind::null;
  int64_t number = 0;  // whole numbers; true is 1. Others are not what extension metadata holds
  std::string text;
  std::vector<Json> items;
  std::vector<std::string> keys;  // of an object, one for each item

  const Json* find(std::string_view key) const;
  // A list of whole numbers, null as -1; nothing where it is something else.
  std::optional<std::vector<int64_t>> numbers() const;
};

Result<Json> parse_json(std::string_view text);

std::string json_list(std::span<const int64_t> numbers);  // [2,3], -1 as null
std::string json_text(std::string_view text);             // quoted and escaped; other bytes stay as they are

}  // namespace ferry::arrow
