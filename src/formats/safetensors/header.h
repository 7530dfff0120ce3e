// The header of a safetensors file: a JSON object that says where each tensor lies. docs/formats/safetensors.md
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/io.h"
#include "ferry/limits.h"
#include "ferry/shape.h"
#include "ferry/status.h"
#include "ferry/tensor_map.h"
#include "formats/safetensors/types.h"

namespace ferry::safetensors {

inline constexpr uint64_t kLongestHeader = 100'000'000;  // the library's limit
inline constexpr std::string_view kMetadataName = "__metadata__";

struct Item {
  std::string name;
  Type type;
  Shape shape;
  uint64_t begin, end;  // from the first byte after the header
};

struct Header {
  std::vector<Item> items;  // in the header's order
  Metadata metadata;
  uint64_t data = 0;  // where tensors begin in the file
};

// Checked whole: names are there once, every tensor has the bytes that its shape needs, and together they cover the data exactly.
Result<Header> read_header(const ByteSource& source, const Limits& limits);

// Length and JSON, padded so that what follows begins at a multiple of `alignment` (8 or more). `items` as they are to be listed.
std::string write_header(const std::vector<Item>& items, const Metadata& metadata, size_t alignment);

}  // namespace ferry::safetensors
