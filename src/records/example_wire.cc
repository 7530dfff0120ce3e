#include "records/example_wire.h"

namespace ferry::records {
namespace {

// One bit for each of 64 bytes, or of 16: whether a varint ends there.
#if defined(__SSE2__)
inline uint64_t ends_of_16(const uint8_t* at) {
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)))) ^ 0xffffu;
}
#else
inline uint64_t ends_of_16(const uint8_t* at) {
  const auto half = [&](int i) { return ((~load64(at + 8 * i) & 0x8080808080808080u) >> 7) * 0x0102040810204080u >> 56; };
  return half(0) | half(1) << 8;
}
#endif
inline uint64_t ends_of_64(const uint8_t* at) {
  return ends_of_16(at) | ends_of_16(at + 16) << 16 | ends_of_16(at + 32) << 32 | ends_of_16(at + 48) << 48;
}

inline const uint8_t* decode_one(const uint8_t* at, const uint8_t* end, int64_t& out) {
  uint64_t value = 0;
  for (int shift = 0; shift < 70 && at < end; shift += 7) {
    const uint8_t byte = *at++;
    if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      out = static_cast<int64_t>(value);
      return at;
    }
  }
  return nullptr;
}

}  // namespace

// 64 bytes at a time: where varints end is found for all of them at once, so that the values do not wait for one another. The
// last bytes are read from a copy where there is too little behind them.
int64_t* decode_varints(const uint8_t* at, const uint8_t* end, const uint8_t* readable, int64_t* out) {
  while (at < end) {
    const auto left = static_cast<size_t>(end - at);
    uint8_t copy[64 + 8];
    const bool copied = readable - at < 72;
    if (copied) {
      if (left > 64) {
        // Too near the end of what may be read for one more block, and more than one copy holds.
        const uint8_t* const after = decode_one(at, end, *out);
        if (after == nullptr) return nullptr;
        ++out;
        at = after;
        continue;
      }
      std::memcpy(copy, at, left);
    }
    const uint8_t* const block = copied ? copy : at;
    uint64_t ends = left <= 16 ? ends_of_16(block) : left <= 32 ? ends_of_16(block) | ends_of_16(block + 16) << 16 : ends_of_64(block);
    if (left < 64) ends &= (uint64_t{1} << left) - 1;
    if (ends == 0) return nullptr;  // cut off, or 64 bytes without an end
    const uint8_t* from = block;
    if (ends == ~uint64_t{0}) {
      for (int i = 0; i < 64; ++i) out[i] = block[i];
      out += 64;
      at += 64;
      continue;
    }
    do {
      const uint8_t* const after = block + std::countr_zero(ends) + 1;
      ends &= ends - 1;
      const auto size = static_cast<unsigned>(after - from);
      if (size <= 8) [[likely]] {
        *out++ = static_cast<int64_t>(join_groups(load64(from) << (64 - 8 * size) >> (64 - 8 * size) & 0x7f7f7f7f7f7f7f7fu));
      } else {
        if (decode_one(from, after, *out) == nullptr) return nullptr;
        ++out;
      }
      from = after;
    } while (ends != 0);
    at += from - block;
    if (left <= 64 && at < end) return nullptr;  // the last one does not end
  }
  return out;
}

}  // namespace ferry::records
