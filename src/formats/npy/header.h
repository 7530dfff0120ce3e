// The header of an npy array: what its elements are and where they begin. docs/formats/npy.md
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ferry/dtype.h"
#include "ferry/limits.h"
#include "ferry/shape.h"
#include "ferry/status.h"

namespace ferry::npy {

inline constexpr std::string_view kMagic = "\x93NUMPY";
inline constexpr uint64_t kLongestHeader = uint64_t{1} << 20;

// How elements lie in the file.
enum class Encoding : uint8_t {
  plain,    // as in memory, perhaps in the other byte order
  bytes,    // 'S': fixed width, NULs at the end are padding
  unicode,  // 'U': fixed width of UCS-4 code points, NULs at the end are padding
};

struct Header {
  DType dtype = DType::float32;
  Encoding encoding = Encoding::plain;
  size_t item_size = 0;  // bytes an element in the file
  bool swapped = false;  // big-endian
  bool fortran = false;  // first axis fastest
  Shape shape;
  uint64_t data = 0;        // where elements begin
  uint64_t data_bytes = 0;  // and how many bytes they are
  std::string untyped;      // the descr, where it does not tell the dtype and the elements are read as uint8
  // Read as they stand: C order (or one axis at most that counts), little-endian, no strings.
  bool as_is() const;
};

// Of the array at the start of `head`, which is the first bytes of `total`. `one_byte_void` names the dtype of '<V1'
// elements, uint8 where nobody knows.
Result<Header> read_header(std::span<const std::byte> head, uint64_t total, const Limits& limits, DType one_byte_void = DType::uint8);
// How many of the first bytes read_header() needs; `head` is at least the first 12 bytes, or all there is.
Result<uint64_t> header_size(std::span<const std::byte> head, uint64_t total);

// Of elements that lie somewhere else (a pickle), by NumPy's dtype string; `data` is 0.
Result<Header> header_of(std::string_view descr, Shape shape, bool fortran, const Limits& limits);

// Version 1 (2 where it is longer than 65535 bytes), byte for byte as numpy.save writes it. `item_size` is for strings.
std::string write_header(DType dtype, const Shape& shape, size_t item_size = 0, Encoding strings = Encoding::bytes);

}  // namespace ferry::npy
