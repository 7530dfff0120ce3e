// Keras's sharded weights: NAME.weights.json says which of NAME_00000.weights.h5 … hold the variables of each layer.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "ferry/format.h"

namespace ferry::h5 {

inline constexpr std::string_view kShardsSuffix = ".weights.json";

bool looks_like_shards(std::span<const std::byte> head);
// `source` is the JSON; the shards lie in its folder.
Result<std::unique_ptr<TensorReader>> open_shards(std::shared_ptr<const ByteSource> source, const ReadOptions& options);
// The variables of a layer stay together; a shard holds shard_size bytes, or one layer that is larger. One shard is in memory at a time.
Status write_shards(const TensorReader& tensors, FileSet& files, std::string_view name, const WriteOptions& options);

}  // namespace ferry::h5
