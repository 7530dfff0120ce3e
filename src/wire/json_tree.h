// A JSON text as a tree, for metadata documents of a few kilobytes whose members come in any order. Not for data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/status.h"
#include "wire/json.h"

namespace ferry::json {

struct Tree {
  Token kind = Token::null;
  std::string text;               // of a string: its value; of anything else: as it stands in the document
  std::vector<Tree> items;        // of an array or object
  std::vector<std::string> keys;  // of an object, one for each item

  const Tree* find(std::string_view key) const;  // the last of that name; null where there is none, and where this is no object
  bool is(Token wanted) const { return kind == wanted; }
  std::optional<int64_t> integer() const;
  std::optional<std::vector<int64_t>> integers() const;  // an array of nothing else
};

// `max_bytes`: what the tree may take in memory, which is many times the text where that is nested or made of small things.
Result<Tree> parse_tree(std::string_view text, uint64_t max_bytes = uint64_t{1} << 30, uint64_t max_depth = 100);

}  // namespace ferry::json
