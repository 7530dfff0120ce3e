// The header of a safetensors file: a JSON object that says where each tensor lies. docs/formats/safetensors.md
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/io.h"
#include "ferry/limits.h"
#include "ferry/shape.h"
#include "ferry/status.h"
#include "ferry/tensor_map.h"
#include "formats/safetensors/types.h"
#include "io/name_slots.h"

namespace ferry::safetensors {

inline constexpr uint64_t kLongestHeader = 100'000'000;  // the library's limit
inline constexpr std::string_view kMetadataName = "__metadata__";

struct Item {
  std::string name;
  Type type = Type::U8;
  Shape shape;
  uint64_t begin = 0, end = 0;  // from the first byte after the header
};

struct Header {
  std::vector<Item> items;  // in the header's order
  Metadata metadata;
  uint64_t data = 0;  // where tensors begin in the file
};

// Checked whole: names are there once, every tensor has the bytes that its shape needs, and together they cover the data exactly.
Result<Header> read_header(const ByteSource& source, const Limits& limits);

// The names in a header and where they stand, for finding one tensor among very many: twelve bytes a tensor, nothing copied. All is
// checked as read_header() does, and an item is read again when it is asked for. Thread-safe: nothing changes after open().
class HeaderIndex {
 public:
  // Nothing where the header is not as the library and we write it (other spacing or order, escapes in names), or is wrong:
  // read_header() reads it, or says what is.
  static Result<std::optional<HeaderIndex>> open(const ByteSource& source, const Limits& limits);

  size_t size() const { return places_.size(); }
  std::string_view name(size_t i) const { return text_.text().substr(places_[i].at, places_[i].size); }
  size_t find(std::string_view name) const {  // NameSlots::kNone where there is none
    return slots_.find(name, [this](size_t k) { return this->name(k); });
  }
  Result<Item> item(size_t i) const;
  const Metadata& metadata() const { return metadata_; }
  uint64_t data() const { return data_; }

 private:
  static constexpr size_t kFewKeys = 64;
  struct Place {
    uint32_t at, size;  // of the name in text_
  };
  bool scan();  // false: unusual
  bool fits(const Item& item) const;
  Buffer text_;
  uint64_t data_ = 0, data_bytes_ = 0;
  Limits limits_;
  std::vector<Place> places_;
  NameSlots slots_;
  Metadata metadata_;
};

// Length and JSON, padded so that what follows begins at a multiple of `alignment` (8 or more). `items` as they are to be listed.
std::string write_header(const std::vector<Item>& items, const Metadata& metadata, size_t alignment);

}  // namespace ferry::safetensors
