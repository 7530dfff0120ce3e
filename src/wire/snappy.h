// Snappy blocks, read: what LevelDB tables are compressed with.
//
//   varint   length of the contents
//   then, by the two low bits of a byte:
//   00       literal: length in the byte or in the 1 to 4 after it
//   01 10 11 copy of bytes that came before: offset of 11, 16 or 32 bits
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ferry/buffer.h"
#include "ferry/limits.h"
#include "ferry/status.h"

namespace ferry::snappy {

// What the block says it expands to; nothing where it says nothing readable.
std::optional<uint64_t> expanded_size(std::span<const std::byte> block);
// A byte of input gives at most 22 of output, so the announced size is held against the input before anything is allocated.
Result<Buffer> expand(std::span<const std::byte> block, const Limits& limits = {});

}  // namespace ferry::snappy
