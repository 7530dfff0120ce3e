// The arrays and groups of a zarr store, of version 2 or 3.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ferry/io.h"
#include "ferry/limits.h"
#include "formats/zarr/meta.h"

namespace ferry::zarr {

struct Node {
  std::string path;  // "" is the root
  bool is_array = false;
  ArrayMeta array;
  json::Tree attributes;  // an object, or null; what its members hold is there as text, but for a shape
};

// In the order of their names; of consolidated metadata where the store has it.
Result<std::vector<Node>> list_nodes(const Folder& folder, const Limits& limits);

struct StoredChunk {
  std::string name;         // in the folder
  std::vector<int64_t> at;  // in the grid
};
// The chunks of an array that exist, in no promised order. What is no chunk of it is passed over.
Result<std::vector<StoredChunk>> list_chunks(const Folder& folder, const Node& node, const Limits& limits);

}  // namespace ferry::zarr
