// The metadata documents of zarr: .zarray (version 2) and zarr.json (version 3), as one description of an array.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/limits.h"
#include "ferry/shape.h"
#include "ferry/status.h"
#include "wire/json_tree.h"

namespace ferry::zarr {

enum class ElementKind : uint8_t { fixed, bytes, ucs4, variable };  // the last three are strings

struct Element {
  ElementKind kind = ElementKind::fixed;
  DType dtype = DType::float32;
  size_t size = 4;  // bytes in a chunk; of a string of variable length: 0
  bool big_endian = false;
  std::string note;  // of a type read as another (datetime64): its own name
};

enum class CodecKind : uint8_t { zlib, zstd, lz4, blosc, crc32c, shuffle, delta, transpose, sharding };
struct Codec {
  CodecKind kind;
  uint64_t width = 1;                     // shuffle: bytes of an element
  std::vector<int64_t> order = {};        // transpose: axis i of the stored array is axis order[i] of the array
  std::vector<int64_t> chunk_shape = {};  // sharding: of the chunks within
  std::vector<Codec> inner = {};          // sharding
  bool index_crc = false, index_first = false;
};

struct ArrayMeta {
  Shape shape;
  std::vector<int64_t> chunks;
  Element element;
  std::string fill;           // one element in native order, or the text of a string; empty: zeros
  std::vector<Codec> codecs;  // in the order in which they were applied
  std::string prefix;         // of a chunk's key: "c" in version 3
  char separator = '.';
  std::string obstacle;  // why its data cannot be read, else empty
};

Result<ArrayMeta> parse_v2(const json::Tree& document, const Limits& limits);
Result<ArrayMeta> parse_v3(const json::Tree& document, const Limits& limits);

}  // namespace ferry::zarr
