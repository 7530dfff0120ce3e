// The end record of a zip archive, with which reading one begins.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "ferry/io.h"

namespace ferry {

inline constexpr uint32_t kZipCentralMagic = 0x02014b50;
inline constexpr uint64_t kZipLocalSize = 30, kZipCentralSize = 46;  // before names and extra fields
inline constexpr uint32_t kZipNone32 = 0xffffffff;                   // "look in the zip64 field"
// Flags of members that are not read: encrypted in three ways, patches.
inline constexpr uint16_t kZipEncrypted = 1 << 0, kZipPatched = 1 << 5, kZipStrong = 1 << 6, kZipMasked = 1 << 13;

struct ZipEnd {
  uint64_t count, size, offset;  // of the central directory
  uint64_t limit;                // the directory ends here at the latest
  std::string comment;
};

// Found, and the directory it tells of lies right before it, with room for its entries and no more of them than the limits allow.
Result<ZipEnd> find_zip_end(const ByteSource& source, const Limits& limits);

template <class T>
T load_number(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

}  // namespace ferry
