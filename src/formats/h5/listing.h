// What ferry-hdf5 says is in a file, read and checked: its words are as trustworthy as the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ferry/byte_cursor.h"
#include "ferry/dtype.h"
#include "ferry/limits.h"
#include "ferry/shape.h"
#include "ferry/status.h"
#include "formats/h5/protocol.h"

namespace ferry::h5 {

struct Attribute {
  std::string name;
  AttributeKind kind = AttributeKind::unreadable;
  bool scalar = true;
  std::vector<std::string> texts;
  std::vector<uint64_t> words;  // numbers: the bits of a double

  // The text itself, a number, true or false; a list of them as JSON.
  std::string as_text() const;
};

struct Object {
  ObjectKind kind = ObjectKind::skipped;
  std::string path;    // without the leading slash; the root is ""
  std::string reason;  // skipped: why; dataset: why it cannot be read, else empty
  std::vector<Attribute> attributes;
  // of a dataset
  ElementKind element = ElementKind::fixed;
  DType dtype = DType::float32;
  Shape shape;
  uint64_t offset = kNowhere;  // of the elements in the file, where they lie there as they are
  uint64_t values = 0;         // of all rows

  const Attribute* find(std::string_view name) const;
  const std::string* text(std::string_view name) const;  // of a scalar text attribute
};

Result<std::vector<Object>> parse_listing(std::span<const std::byte> bytes, const Limits& limits);

}  // namespace ferry::h5
