// Opens safetensors files: the header is read, every tensor is a view of the file until somebody wants another dtype.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "ferry/format.h"
#include "formats/binsparse/reader.h"

namespace ferry::safetensors {

inline constexpr std::string_view kWeightMap = "weight_map";  // of the index of a sharded set

// Plain arrays, and what Binsparse descriptors of other writers say of them.
struct Opened {
  std::unique_ptr<ArrayReader> arrays;
  std::vector<binsparse::Described> described;
};
Result<Opened> open_file(std::shared_ptr<const ByteSource> source, const Limits& limits);
// `source` is the index; the shards lie in its folder.
Result<Opened> open_shards(std::shared_ptr<const ByteSource> source, const Limits& limits);

Result<std::unique_ptr<TensorNames>> open_names(std::shared_ptr<const ByteSource> source, const ReadOptions& options);
Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options);

}  // namespace ferry::safetensors
