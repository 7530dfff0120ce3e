// The wire as TensorFlow's parser of Examples reads it, which is not quite as libprotobuf does: a length past the end of its
// message ends with the message, what follows the first list of a Feature is passed over, and groups are refused. Used where a
// record is not of the plain shape that everyone writes; the numbers in lists are decoded here for both.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ferry::records {

static_assert(std::endian::native == std::endian::little);

inline uint64_t load64(const uint8_t* at) {
  uint64_t out;
  std::memcpy(&out, at, 8);
  return out;
}
inline uint32_t load32(const uint8_t* at) {
  uint32_t out;
  std::memcpy(&out, at, 4);
  return out;
}

// A cursor with one limit; push() narrows it and gives the old one to go back to.
class CodedInput {
 public:
  CodedInput() = default;
  CodedInput(const uint8_t* at, const uint8_t* end) : at_(at), limit_(end) {}
  explicit CodedInput(std::string_view bytes)
      : CodedInput(reinterpret_cast<const uint8_t*>(bytes.data()), reinterpret_cast<const uint8_t*>(bytes.data()) + bytes.size()) {}

  bool at_end() const { return at_ == limit_; }
  size_t left() const { return static_cast<size_t>(limit_ - at_); }
  const uint8_t* at() const { return at_; }
  int peek() const { return at_ < limit_ ? *at_ : 0; }
  bool expect(uint8_t tag) {
    if (at_ >= limit_ || *at_ != tag) return false;
    ++at_;
    return true;
  }
  // Lengths and tags: ten bytes at most, of which 32 bits count.
  bool varint32(uint32_t& out) {
    uint64_t value;
    if (!varint64(value)) return false;
    out = static_cast<uint32_t>(value);
    return true;
  }
  bool varint64(uint64_t& out) {
    out = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_ >= limit_) return false;
      const uint8_t byte = *at_++;
      out |= shift < 64 ? static_cast<uint64_t>(byte & 0x7f) << shift : 0;
      if (byte < 0x80) return true;
    }
    return false;
  }
  uint32_t tag() {  // 0 at the end, and where there is none
    uint32_t out;
    const uint8_t* const before = at_;
    if (varint32(out)) return out;
    at_ = before;
    return 0;
  }
  bool fixed32(uint32_t& out) {
    if (left() < 4) {
      at_ = limit_;
      return false;
    }
    out = load32(at_);
    at_ += 4;
    return true;
  }
  // Over `count` bytes, or to the limit; false where there are fewer.
  bool skip(uint32_t count) {
    if (count > INT32_MAX) return false;
    if (count > left()) {
      at_ = limit_;
      return false;
    }
    at_ += count;
    return true;
  }
  // A view of `count` bytes.
  bool take(uint32_t count, std::string_view& out) {
    if (count > left()) return false;
    out = {reinterpret_cast<const char*>(at_), count};
    at_ += count;
    return true;
  }
  bool string(std::string_view& out) {
    uint32_t size;
    return varint32(size) && take(size, out);
  }
  const uint8_t* push(uint32_t size) {
    const uint8_t* const old = limit_;
    if (size <= INT32_MAX && size < left()) limit_ = at_ + size;
    return old;
  }
  void pop(const uint8_t* old) { limit_ = old; }
  // A field of Example or SequenceExample that they do not have.
  bool skip_unknown() {
    uint32_t size;
    uint64_t number;
    switch (tag() & 7) {
      case 0: return varint32(size);
      case 1: {
        uint32_t low;
        return fixed32(low) && fixed32(low);
      }
      case 2:
        if (!varint32(size)) return false;
        (void)skip(size);
        return true;
      case 5: return fixed32(size);
      default: (void)number; return false;
    }
  }

 private:
  const uint8_t* at_ = nullptr;
  const uint8_t* limit_ = nullptr;
};

// Groups of seven bits, least first, moved together; bits 7, 15 … of `x` are 0.
inline uint64_t join_groups(uint64_t x) {
  x = (x & 0x007f007f007f007fu) | (x & 0x7f007f007f007f00u) >> 1;
  x = (x & 0x00003fff00003fffu) | (x & 0x3fff00003fff0000u) >> 2;
  return (x & 0x000000000fffffffu) | (x & 0x0fffffff00000000u) >> 4;
}

// The varints that fill [at, end), each of ten bytes at most, bits past the 64th dropped. `out` has room for end - at; null
// where the last is cut off or one is too long, else the end of what was written. Reads up to 8 bytes past `end` where
// `readable` says so.
int64_t* decode_varints(const uint8_t* at, const uint8_t* end, const uint8_t* readable, int64_t* out);

}  // namespace ferry::records
