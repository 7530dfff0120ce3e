// A stream of TensorProtos of any size, each in a frame: TFRecord or a varint of its length. docs/formats/tensors.md
#pragma once

#include <memory>

#include "ferry/format.h"

namespace ferry::tensors {

// Names and metadata travel in fields that tensorflow.TensorProto does not have; TensorFlow skips them.
// proto/tensor_stream.proto
enum ExtraField : uint32_t { kName = 2001, kMetadata = 2002, kStreamMetadata = 2003 };

// dtype first, then shape, as every writer of TensorProtos has them.
bool looks_like_tensorproto(std::span<const std::byte> bytes);

Result<std::unique_ptr<TensorReader>> open_stream(std::shared_ptr<const ByteSource> source, const ReadOptions& options);
Status write_stream(const TensorMap& tensors, ByteSink& sink, bool tfrecord);

}  // namespace ferry::tensors
