#include "ferry/crc32c.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "ferry/thread_pool.h"

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

namespace {

// a * b modulo the polynomial, both reflected: the top bit is x^0.
uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 0x80000000u; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kPolynomial : 0);
  }
  return product;
}

}  // namespace

uint32_t crc32c_joined(uint32_t a, uint32_t b, uint64_t b_bytes) {
  // b_bytes zero bytes behind a are x^(8 b_bytes): by squares of x^8.
  uint32_t power = 0x00800000u, shift = 0x80000000u;
  for (; b_bytes != 0; b_bytes >>= 1) {
    if ((b_bytes & 1) != 0) shift = multiply(shift, power);
    power = multiply(power, power);
  }
  return multiply(shift, a) ^ b;
}

uint32_t crc32c(std::span<const std::byte> bytes, ThreadPool* pool) {
  constexpr size_t kPiece = size_t{1} << 20;
  if (pool == nullptr || bytes.size() < 4 * kPiece) return crc32c(bytes);
  const size_t pieces = (bytes.size() + kPiece - 1) / kPiece;
  std::vector<uint32_t> crcs(pieces);
  const auto piece = [&](size_t i) { return bytes.subspan(i * kPiece, std::min(kPiece, bytes.size() - i * kPiece)); };
  pool->parallel_for(static_cast<int64_t>(pieces), 2, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) crcs[static_cast<size_t>(i)] = crc32c(piece(static_cast<size_t>(i)));
  });
  uint32_t out = crcs[0];
  for (size_t i = 1; i < pieces; ++i) out = crc32c_joined(out, crcs[i], piece(i).size());
  return out;
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
