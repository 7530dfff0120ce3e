// Arrow's bitmaps: eight flags a byte, lowest bit first; a byte each in our tensors.
#pragma once

#include <cstdint>
#include <cstring>

namespace ferry::arrow {

inline bool get_bit(const uint8_t* bits, int64_t i) { return (bits[i / 8] >> (i % 8)) & 1; }

// Bits [begin, end) to bytes 0 and 1.
inline void unpack_bits(const uint8_t* bits, int64_t begin, int64_t end, uint8_t* out) {
  int64_t i = begin;
  for (; i < end && i % 8 != 0; ++i) *out++ = get_bit(bits, i);
  for (; i + 8 <= end; i += 8, out += 8) {
    // A copy of the byte in each of eight lanes, one bit kept in each, moved to the lane's top and down to its bottom.
    const uint64_t lanes = (bits[i / 8] * 0x0101010101010101u) & 0x8040201008040201u;
    const uint64_t flags = ((lanes + 0x7f7f7f7f7f7f7f7fu) >> 7) & 0x0101010101010101u;
    std::memcpy(out, &flags, 8);
  }
  for (; i < end; ++i) *out++ = get_bit(bits, i);
}

// Bytes (anything but 0 is true) to bits; writes (count + 7) / 8 bytes, unused bits 0.
inline void pack_bits(const uint8_t* bytes, int64_t count, uint8_t* out) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint64_t lanes;
    std::memcpy(&lanes, bytes + i, 8);
    lanes = (((lanes & 0x7f7f7f7f7f7f7f7fu) + 0x7f7f7f7f7f7f7f7fu) | lanes) >> 7 & 0x0101010101010101u;
    // The product gathers lane k's flag in bit 56 + k; no two terms meet.
    out[i / 8] = static_cast<uint8_t>((lanes * 0x0102040810204080u) >> 56);
  }
  if (i < count) out[i / 8] = 0;
  for (; i < count; ++i) out[i / 8] = static_cast<uint8_t>(out[i / 8] | ((bytes[i] != 0) << (i % 8)));
}

}  // namespace ferry::arrow
