// Tensor bundles: TensorFlow's checkpoints since 2016 (Saver's V2, tf.train.Checkpoint, a SavedModel's variables).
// A table of entries in PREFIX.index, the elements in PREFIX.data-00000-of-00001 and its like beside it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ferry/format.h"
#include "wire/sorted_table.h"

namespace ferry::ckpt {

inline constexpr std::string_view kIndexSuffix = ".index";

inline std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }  // npos + 1 is 0
std::string shard_numbers(int64_t shard, int64_t shards);                                              // -00003-of-00010
// PREFIX.data-00003-of-00010
std::string shard_name(std::string_view prefix, int64_t shard, int64_t shards);

// `source` is the index. Data shards are opened when a tensor of theirs is read.
Result<std::unique_ptr<ArrayReader>> open_bundle(std::shared_ptr<const ByteSource> source, SortedTable table,
                                                 std::span<const std::byte> header, const ReadOptions& options);

}  // namespace ferry::ckpt
