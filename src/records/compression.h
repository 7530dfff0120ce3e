// The compressions that TFRecord files have around them, zlib (TensorFlow's "ZLIB") among them.
#pragma once

#include <memory>

#include "ferry/records.h"

namespace ferry::records {

std::unique_ptr<ByteStream> expand(std::unique_ptr<ByteStream> stream, RecordCompression compression);
std::unique_ptr<ByteSink> compress(std::unique_ptr<ByteSink> sink, RecordCompression compression, int level = 0);
// The whole in memory, within the limits on expansion.
Result<Buffer> expand_all(std::shared_ptr<const ByteSource> source, RecordCompression compression, const Limits& limits);

}  // namespace ferry::records
