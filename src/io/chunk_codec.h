// Compressed chunks of array stores (zarr), whose expanded size is bounded rather than known.
#pragma once

#include <cstdint>
#include <span>

#include "ferry/buffer.h"
#include "ferry/status.h"

namespace ferry {

enum class ChunkCodec : uint8_t {
  zlib,   // zlib or gzip, told by the first bytes
  zstd,   // frames
  lz4,    // numcodecs: the size in four bytes, then one raw block
  blosc,  // with libblosc, where the build found it
};

// All of `bytes` expanded; at most `most` bytes of it, else data_loss. `guess`: what to allocate at first.
Result<Buffer> expand_chunk(ChunkCodec codec, std::span<const std::byte> bytes, uint64_t guess, uint64_t most);

}  // namespace ferry
