// The pieces of an HDF5 file as it is written: superblock 2, version 2 object headers, compact groups, contiguous data, one global
// heap for strings. Readable by libhdf5 1.8 and later. HDF5 File Format Specification 3.0; docs/formats/h5.md shows one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/tensor.h"

namespace ferry::h5 {

inline constexpr uint64_t kUndefined = UINT64_MAX;
inline constexpr size_t kSuperblockSize = 48;

// Bob Jenkins' lookup3, which guards superblocks and object headers.
uint32_t lookup3(std::string_view bytes);

// Little-endian numbers appended to a string.
class Bytes {
 public:
  Bytes& u8(uint64_t v) { return put(v, 1); }
  Bytes& u16(uint64_t v) { return put(v, 2); }
  Bytes& u32(uint64_t v) { return put(v, 4); }
  Bytes& u64(uint64_t v) { return put(v, 8); }
  Bytes& text(std::string_view v) {
    out_ += v;
    return *this;
  }
  Bytes& zeros(size_t count) {
    out_.append(count, '\0');
    return *this;
  }
  size_t size() const { return out_.size(); }
  std::string take() { return std::move(out_); }
  const std::string& str() const { return out_; }

 private:
  Bytes& put(uint64_t v, size_t size) {
    out_.append(reinterpret_cast<const char*>(&v), size);
    return *this;
  }
  std::string out_;
};

std::string superblock(uint64_t root, uint64_t end);

// ---- Messages of an object header

std::string datatype(DType dtype);  // strings: variable length; what HDF5 has no word for: opaque bytes
bool is_opaque(DType dtype);        // needs the attribute `dtype` to be found again
bool needs_dtype_attribute(DType dtype);
std::string text_type(bool utf8);  // variable length
std::string dataspace(std::span<const int64_t> dims);

// An attribute's value: a datatype, a shape, the bytes.
struct EncodedAttribute {
  std::string name;
  std::string type, space, data;
};

std::string dataset_header(const DenseTensor& tensor, std::string_view type, uint64_t data, uint64_t bytes,
                           std::span<const EncodedAttribute> attributes);
struct GroupLink {
  std::string_view name;
  uint64_t header;
};
std::string group_header(std::span<const GroupLink> links, std::span<const EncodedAttribute> attributes);

// ---- Strings

// Texts go into collections of the global heap; what stands for them in a dataset is 16 bytes: length, collection, index.
class StringHeap {
 public:
  struct Place {
    uint64_t collection = 0;  // number, not address
    uint32_t index = 0, size = 0;
  };
  Place add(std::string_view text);
  // Sizes are known when all texts are added, addresses when the first one is.
  void finish();
  uint64_t size() const { return size_; }
  void place_at(uint64_t address) { address_ = address; }
  void append_reference(const Place& place, std::string& out) const;
  std::span<const std::string> collections() const { return collections_; }

 private:
  void close();
  std::vector<std::string> collections_;
  std::vector<uint64_t> starts_;
  uint32_t next_ = 1;  // index in the last collection; 0 is free space
  uint64_t size_ = 0, address_ = 0;
};

}  // namespace ferry::h5
