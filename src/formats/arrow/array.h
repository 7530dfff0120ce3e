// Arrow arrays in memory: the shape that the IPC reader, the IPC writer and the C data interface share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "ferry/buffer.h"
#include "ferry/io.h"
#include "ferry/limits.h"
#include "ferry/status.h"
#include "formats/arrow/schema.h"

namespace ferry::arrow {

// The body of one IPC message.
struct Body {
  std::shared_ptr<const ByteSource> source;
  uint64_t offset = 0;  // in the source
  uint64_t size = 0;
  std::optional<BlockCodec> codec;
  Limits limits;
};

// A buffer that is looked at when somebody asks, so that listing a file reads headers only. Values; copying shares.
class LazyBuffer {
 public:
  LazyBuffer() = default;  // absent: no bytes
  explicit LazyBuffer(Buffer ready) : ready_(std::move(ready)), size_(ready_.size()) {}
  // [offset, offset + size) of the body, which the caller has checked.
  LazyBuffer(std::shared_ptr<const Body> body, uint64_t offset, uint64_t size) : body_(std::move(body)), offset_(offset), size_(size) {}

  Result<Buffer> load() const;
  uint64_t stored_size() const { return size_; }  // before decompression
  bool present() const { return size_ > 0; }
  bool shares_memory() const { return !body_ || (!body_->codec && body_->source->in_memory()); }
  std::optional<uint64_t> offset() const { return body_ ? std::optional(body_->offset + offset_) : std::nullopt; }

 private:
  Buffer ready_;
  std::shared_ptr<const Body> body_;
  uint64_t offset_ = 0;
  uint64_t size_ = 0;
};

struct ArrayData {
  int64_t length = 0;
  int64_t nulls = 0;                // -1: not counted
  int64_t offset = 0;               // the first element, within the buffers (C data interface; 0 in files)
  std::vector<LazyBuffer> buffers;  // the validity bitmap first, as Arrow's layouts list them
  std::vector<ArrayData> children;
  // Of a dictionary-encoded array: its dictionary, in pieces where deltas came.
  std::vector<std::shared_ptr<const ArrayData>> dictionary;
};

// How many buffers an array of this type has, without those of its children; `version4`: before unions lost their validity.
size_t buffer_count(TypeId id, bool version4 = false);

// Nulls among elements [begin, end) of a bitmap.
Result<int64_t> count_nulls(const ArrayData& array, int64_t begin, int64_t end, int64_t* first = nullptr);

}  // namespace ferry::arrow
