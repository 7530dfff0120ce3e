#include "ferry/crc32c.h"

#include <array>
#include <cstring>

#if __has_include(<isa-l/crc.h>)
#include <isa-l/crc.h>
#define FERRY_HAS_ISAL 1
#endif

namespace ferry {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected

// kTables[k][b]: the CRC of byte b followed by k zero bytes; eight of them eat eight bytes a step.
constexpr auto kTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
    tables[0][b] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (uint32_t b = 0; b < 256; ++b) tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
  }
  return tables;
}();

#ifdef FERRY_HAS_ISAL
bool has_fast_crc() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("sse4.2");
#else
  return true;  // ISA-L picks its own best there
#endif
}
#endif

}  // namespace

namespace detail {

uint32_t crc32c_portable(std::span<const std::byte> bytes, uint32_t crc) {
  crc = ~crc;
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; left > 0; --left, ++p) crc = (crc >> 8) ^ kTables[0][(crc ^ *p) & 0xff];
  return ~crc;
}

}  // namespace detail

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc) {
#ifdef FERRY_HAS_ISAL
  static const bool fast = has_fast_crc();
  // ISA-L counts in int and takes the register as it stands, uncomplemented.
  if (fast && !bytes.empty()) {
    constexpr size_t kMost = size_t{1} << 30;
    while (!bytes.empty()) {
      const auto piece = bytes.first(bytes.size() < kMost ? bytes.size() : kMost);
      auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(piece.data()));
      crc = ~crc32_iscsi(data, static_cast<int>(piece.size()), ~crc);
      bytes = bytes.subspan(piece.size());
    }
    return crc;
  }
#endif
  return detail::crc32c_portable(bytes, crc);
}

#if defined(__x86_64__)
// One instruction instead of a call into vector code that is made for long blocks.
__attribute__((target("sse4.2"))) static uint32_t word_by_instruction(uint64_t word) {
  return ~static_cast<uint32_t>(__builtin_ia32_crc32di(0xffffffffu, word));
}
#endif

uint32_t crc32c_word(uint64_t word) {
#if defined(__x86_64__)
  static const bool fast = __builtin_cpu_supports("sse4.2");
  if (fast) return word_by_instruction(word);
#endif
  return detail::crc32c_portable(std::as_bytes(std::span(&word, 1)), 0);
}

}  // namespace ferry
