// The Python literals that stand in npy headers: dict, tuple, list, str, int, True, False, None. Nothing is evaluated.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/status.h"

namespace ferry::npy {

struct Literal {
  enum class Kind : uint8_t { none, boolean, integer, text, tuple, list, dict };
  Kind kind = Kind::none;
  bool truth = false;
  int64_t number = 0;
  std::string text;
  std::vector<Literal> items;  // of a tuple or list; keys and values in turn of a dict
  std::string_view source;     // as it was written
};

struct ParsedLiteral {
  Literal value;
  std::string_view comment;  // what follows a '#' after the value, trimmed
};

// The whole of `text`. Offsets in errors count from `base`. `text` outlives the result.
Result<ParsedLiteral> parse_literal(std::string_view text, uint64_t base);

}  // namespace ferry::npy
