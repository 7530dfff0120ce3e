// Stored chunks → elements at their place in the array.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>

#include "ferry/buffer.h"
#include "ferry/limits.h"
#include "formats/zarr/meta.h"

namespace ferry::zarr {

// An array as it is put together. Strings stand as string_views until all of them are there.
struct Target {
  std::byte* data;
  std::span<const int64_t> strides;  // in elements
  size_t width;                      // bytes of an element
};

// Keeps what string_views point into. Thread-safe.
class TextKeeper {
 public:
  void keep(Buffer buffer) {
    const std::lock_guard lock(mutex_);
    buffers_.push_back(std::move(buffer));
  }

 private:
  std::mutex mutex_;
  std::deque<Buffer> buffers_;
};

// Thread-safe.
class ChunkDecoder {
 public:
  ChunkDecoder(const ArrayMeta& meta, const Limits& limits, TextKeeper& texts) : meta_(meta), limits_(limits), texts_(texts) {}

  // The first `extent` elements of each axis of a chunk of shape `chunk` go to `to`.
  Status decode(Buffer bytes, std::span<const Codec> codecs, std::span<const int64_t> chunk, std::span<const int64_t> extent,
                Target to) const {
    uint64_t left = allowed(bytes.size());
    return decode(std::move(bytes), codecs, chunk, extent, to, left);
  }

 private:
  // What so many stored bytes may become; one store of a shard may stand for many of its chunks, which share that.
  uint64_t allowed(uint64_t stored) const;
  Status decode(Buffer bytes, std::span<const Codec> codecs, std::span<const int64_t> chunk, std::span<const int64_t> extent, Target to,
                uint64_t& left) const;
  Status decode_shard(const Buffer& bytes, const Codec& shard, std::span<const int64_t> chunk, std::span<const int64_t> extent, Target to,
                      uint64_t& left) const;
  Result<Buffer> undo(Buffer bytes, const Codec& codec, uint64_t exact, uint64_t most) const;
  Result<Buffer> elements_of(Buffer bytes, uint64_t count, bool native) const;
  Result<Buffer> views_of(const Buffer& bytes, uint64_t count) const;

  const ArrayMeta& meta_;
  const Limits& limits_;
  TextKeeper& texts_;
};

}  // namespace ferry::zarr
