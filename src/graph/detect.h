// What kind of model some bytes are, told by what is in them and not by a name.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "ferry/stored_model.h"

namespace ferry::graph {

struct Detected {
  ModelKind kind;
  bool text = false;
};
// An error says what the bytes look like instead.
Result<Detected> detect(std::span<const std::byte> bytes);

// "model.ckpt-00000-of-00002" for "model.ckpt": the first file of a checkpoint of Saver's first format that is in several.
std::optional<std::string> first_v1_shard(const Folder& folder, std::string_view prefix);

}  // namespace ferry::graph
