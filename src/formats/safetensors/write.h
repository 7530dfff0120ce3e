// Tensors to a safetensors file, one at a time. docs/formats/safetensors.md
#pragma once

#include "ferry/format.h"

namespace ferry::safetensors {

Status write(const TensorReader& tensors, ByteSink& sink, const WriteOptions& options);
// As Hugging Face's libraries shard: NAME-00001-of-00003.safetensors and so on of at most shard_size bytes of tensors each, then
// NAME.safetensors.index.json; where all fit one and the index was not asked for, NAME.safetensors alone.
Status write_shards(const TensorReader& tensors, FileSet& files, std::string_view name, const WriteOptions& options);
bool asks_for_shards(std::string_view name, const FormatOptions& options);

}  // namespace ferry::safetensors
