// zlib's wrapper around deflate (TFRecord's "ZLIB"). It has no suffix, and two bytes of magic are too few to look through it
// unasked: who expects it says so.
#pragma once

#include <memory>

#include "ferry/io.h"

namespace ferry {

std::unique_ptr<ByteStream> zlib_stream(std::unique_ptr<ByteStream> inner);
std::unique_ptr<ByteSink> zlib_sink(std::unique_ptr<ByteSink> inner, int level = 0);
// The whole of a compressed source in memory, within the limits on expansion.
Result<Buffer> zlib_expand(std::shared_ptr<const ByteSource> source, const Limits& limits);

}  // namespace ferry
