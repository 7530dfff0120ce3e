// Protobuf's wire format, without schemas: a pull reader over a span and writers that append to a string.
//
//   proto::Reader in(bytes);
//   while (in.next()) {
//     switch (in.tag()) {
//       case proto::varint_tag(1): dtype = in.varint(); break;
//       case proto::bytes_tag(2): name = in.bytes(); break;     // a view, nothing is copied
//       default: in.skip();                                     // unknown fields, and known ones of another wire type
//     }
//   }
//   FERRY_RETURN_IF_ERROR(in.status());
//
// The first error stays, ends the loop and names its offset; values read after it are zero and empty. What is accepted is
// what libprotobuf's parser accepts: over-long varints to ten bytes (lengths to five), groups (skipped, to a depth limit), fields in any
// order.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "ferry/status.h"

namespace ferry::proto {

enum class Wire : uint8_t { varint = 0, fixed64 = 1, bytes = 2, group = 3, end_group = 4, fixed32 = 5 };

constexpr uint32_t make_tag(uint32_t field, Wire wire) { return field << 3 | static_cast<uint32_t>(wire); }
constexpr uint32_t varint_tag(uint32_t field) { return make_tag(field, Wire::varint); }
constexpr uint32_t fixed64_tag(uint32_t field) { return make_tag(field, Wire::fixed64); }
constexpr uint32_t bytes_tag(uint32_t field) { return make_tag(field, Wire::bytes); }
constexpr uint32_t fixed32_tag(uint32_t field) { return make_tag(field, Wire::fixed32); }

constexpr int64_t zigzag_decode(uint64_t value) { return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1); }
constexpr uint64_t zigzag_encode(int64_t value) { return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63); }

// Decodes one varint at `at`; null where it is cut off or longer than ten bytes. Bits past the 64th are dropped.
const std::byte* read_varint_slow(const std::byte* at, const std::byte* end, uint64_t& value);
inline const std::byte* read_varint(const std::byte* at, const std::byte* end, uint64_t& value) {
  if (at < end && static_cast<uint8_t>(*at) < 0x80) [[likely]] {
    value = static_cast<uint8_t>(*at);
    return at + 1;
  }
  return read_varint_slow(at, end, value);
}

// Good as long as the bytes. Not thread-safe; cheap to copy, which saves the place.
class Reader {
 public:
  static constexpr int kMaxDepth = 100;  // of groups that are skipped, as libprotobuf

  Reader() = default;
  // `base` is where the bytes begin in their source, for offsets in errors.
  explicit Reader(std::span<const std::byte> bytes, uint64_t base = 0)
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()), base_(base) {}
  explicit Reader(std::string_view text, uint64_t base = 0) : Reader(std::as_bytes(std::span(text.data(), text.size())), base) {}

  // Moves to the next field; its value must then be read or skipped. False at the end and after an error.
  bool next() {
    if (at_ >= end_) return false;
    field_at_ = at_;
    const auto first = static_cast<uint8_t>(*at_);
    if (first < 0x80) [[likely]] {
      tag_ = first;
      ++at_;
    } else if (!long_tag()) {
      return false;
    }
    if (tag_ < 8 || (tag_ & 7) > 5 || (tag_ & 7) == 4) [[unlikely]]
      return bad_tag();
    return true;
  }
  uint32_t tag() const { return tag_; }
  uint32_t field() const { return tag_ >> 3; }
  Wire wire() const { return static_cast<Wire>(tag_ & 7); }
  uint64_t field_offset() const { return base_ + static_cast<uint64_t>(field_at_ - begin_); }
  uint64_t offset() const { return base_ + static_cast<uint64_t>(at_ - begin_); }
  bool done() const { return at_ >= end_; }

  // The value of the current field, which must have the wire type read: switch on tag().
  uint64_t varint() {
    uint64_t value;
    const std::byte* after = read_varint(at_, end_, value);
    if (after == nullptr) [[unlikely]] {
      fail(Error::varint);
      return 0;
    }
    at_ = after;
    return value;
  }
  int64_t int64() { return static_cast<int64_t>(varint()); }
  int32_t int32() { return static_cast<int32_t>(varint()); }
  int64_t sint64() { return zigzag_decode(varint()); }
  bool boolean() { return varint() != 0; }
  uint32_t fixed32() { return fixed<uint32_t>(); }
  uint64_t fixed64() { return fixed<uint64_t>(); }
  float float32() { return fixed<float>(); }
  double float64() { return fixed<double>(); }
  std::span<const std::byte> bytes() {
    const std::byte* const length_at = at_;
    const uint64_t size = varint();
    if (size > static_cast<uint64_t>(end_ - at_) || at_ - length_at > 5) [[unlikely]] {
      wanted_ = size;
      fail(at_ - length_at > 5 ? Error::long_length : Error::length);
      return {};
    }
    const std::span<const std::byte> out(at_, static_cast<size_t>(size));
    at_ += size;
    return out;
  }
  std::string_view text() {
    const auto out = bytes();
    return {reinterpret_cast<const char*>(out.data()), out.size()};
  }
  // A reader over a nested message, whose offsets count from the same source.
  Reader message() {
    const auto inner = bytes();
    return Reader(inner, base_ + static_cast<uint64_t>(inner.data() == nullptr ? 0 : inner.data() - begin_));
  }
  void skip();

  bool ok() const { return error_ == Error::none; }
  Status status() const { return ok() ? Status() : describe(); }

 private:
  enum class Error : uint8_t { none, tag, varint, fixed, length, long_length, group, depth, end_group };

  template <class T>
  T fixed() {
    T value{};
    if (static_cast<size_t>(end_ - at_) < sizeof(T)) [[unlikely]] {
      fail(Error::fixed);
      return value;
    }
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  bool long_tag();
  bool bad_tag();
  void skip_group();
  void fail(Error error) {
    if (error_ == Error::none) {
      error_ = error;
      error_at_ = offset();
    }
    at_ = end_;
  }
  Status describe() const;

  const std::byte* begin_ = nullptr;
  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
  const std::byte* field_at_ = nullptr;
  uint64_t base_ = 0;
  uint64_t error_at_ = 0;
  uint64_t wanted_ = 0;
  uint32_t tag_ = 0;
  Error error_ = Error::none;
};

// ---- Packed fields. Each calls take(value); false where the bytes end inside a value.

template <class Take>
bool for_each_varint(std::span<const std::byte> packed, Take&& take) {
  const std::byte* at = packed.data();
  const std::byte* const end = at + packed.size();
  while (at < end) {
    uint64_t value;
    at = read_varint(at, end, value);
    if (at == nullptr) return false;
    take(value);
  }
  return true;
}

// ---- Writing

constexpr size_t varint_size(uint64_t value) { return (static_cast<size_t>(std::bit_width(value | 1)) * 9 + 64) / 64; }
inline char* put_varint(char* at, uint64_t value) {
  while (value >= 0x80) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<char>(value);
  return at;
}
inline void append_varint(std::string& out, uint64_t value) {
  char buffer[16];  // ten are used
  out.append(buffer, static_cast<size_t>(put_varint(buffer, value) - buffer));
}
inline void append_tag(std::string& out, uint32_t tag) { append_varint(out, tag); }
inline void append_varint_field(std::string& out, uint32_t field, uint64_t value) {
  append_tag(out, varint_tag(field));
  append_varint(out, value);
}
inline void append_bytes_field(std::string& out, uint32_t field, std::string_view value) {
  append_tag(out, bytes_tag(field));
  append_varint(out, value.size());
  out += value;
}
template <class T>
requires(sizeof(T) == 4 || sizeof(T) == 8) void append_fixed_field(std::string& out, uint32_t field, T value) {
  append_tag(out, make_tag(field, sizeof(T) == 4 ? Wire::fixed32 : Wire::fixed64));
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

}  // namespace ferry::proto
