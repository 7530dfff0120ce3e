// CRC-32C (Castagnoli), as TFRecord, tensor bundles and snappy framing use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ferry {

class ThreadPool;

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc = 0);  // crc: of the bytes before these
uint32_t crc32c(std::span<const std::byte> bytes, ThreadPool* pool);  // large ones on all threads
uint32_t crc32c_joined(uint32_t a, uint32_t b, uint64_t b_bytes);     // of what has the crc a and then of b_bytes more that have the crc b
uint32_t crc32c_word(uint64_t word);                                  // of its eight bytes, little endian: the length of a record
// TensorFlow's masking, so that a CRC stored among the data it covers does not cancel itself.
inline uint32_t mask_crc(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }
inline uint32_t unmask_crc(uint32_t masked) {
  const uint32_t rotated = masked - 0xa282ead8u;
  return (rotated >> 17) | (rotated << 15);
}

namespace detail {
uint32_t crc32c_portable(std::span<const std::byte> bytes, uint32_t crc);
}

}  // namespace ferry
