// What a checkpoint's table says of its tensors. docs/formats/ckpt.md
//
//   BundleHeaderProto  { int32 num_shards = 1; Endianness endianness = 2; VersionDef version = 3 }      under the key ""
//   BundleEntryProto   { DataType dtype = 1; TensorShapeProto shape = 2; int32 shard_id = 3; int64 offset = 4; int64 size = 5;
//                        fixed32 crc32c = 6; repeated TensorSliceProto slices = 7 }                     under the tensor's name
//   TensorSliceProto   { repeated Extent { int64 start = 1; oneof { int64 length = 2 } } extent = 1 }
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/limits.h"
#include "ferry/shape.h"
#include "ferry/status.h"

namespace ferry::ckpt {

struct Header {
  int64_t shards = 0;
  bool big_endian = false;
  int32_t producer = 0, min_consumer = 0;
};
Result<Header> read_header(std::span<const std::byte> value);

// A box in a tensor: for each axis where it begins and how long it is.
struct Slice {
  struct Extent {
    int64_t start = 0, length = -1;  // -1: the whole axis
    friend bool operator==(const Extent&, const Extent&) = default;
  };
  std::vector<Extent> extents;
  friend bool operator==(const Slice&, const Slice&) = default;
};
Result<Slice> read_slice(std::span<const std::byte> message, const Limits& limits);
// Its shape within a tensor of shape `whole`; data_loss where it does not lie in it.
Result<Shape> slice_shape(const Slice& slice, const Shape& whole);
std::string slice_text(const Slice& slice);  // "0,10:-": TensorFlow's own way
// The key of one slice of a tensor: sorts before all names.
std::string slice_key(std::string_view name, const Slice& slice);
inline bool is_slice_key(std::string_view key) { return !key.empty() && key.front() == '\0'; }

struct Entry {
  int32_t dtype_number = 0;
  Shape shape;
  int64_t shard = 0, offset = 0, size = 0;
  uint32_t crc = 0;           // masked
  std::vector<Slice> slices;  // of a tensor that is kept in pieces: it has no bytes of its own
};
// `name`: of its tensor, for messages.
Result<Entry> read_entry(std::string_view name, std::span<const std::byte> value, const Limits& limits);

// TensorShapeProto: an axis of -1 stays.
Result<Shape> read_shape(std::span<const std::byte> message, const Limits& limits);

}  // namespace ferry::ckpt
