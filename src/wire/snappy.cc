#include "wire/snappy.h"

#include <algorithm>
#include <cstring>

#include "wire/protobuf.h"

namespace ferry::snappy {
namespace {

// A copy of three bytes makes 64.
constexpr uint64_t kMostGrowth = 22;

// `count` bytes from `offset` before `at`; they may overlap, and then repeat.
void copy_back(std::byte* at, size_t offset, size_t count) {
  if (offset >= count) {
    std::memcpy(at, at - offset, count);
  } else {
    for (size_t i = 0; i < count; ++i) at[i] = at[i - offset];
  }
}

}  // namespace

std::optional<uint64_t> expanded_size(std::span<const std::byte> block) {
  uint64_t size = 0;
  if (proto::read_varint(block.data(), block.data() + block.size(), size) == nullptr || size > UINT32_MAX) return std::nullopt;
  return size;
}

Result<Buffer> expand(std::span<const std::byte> block, const Limits& limits) {
  const std::byte *at = block.data(), *const end = at + block.size();
  uint64_t size = 0;
  at = proto::read_varint(at, end, size);
  const auto bad = [&](std::string_view what) {
    return data_loss_at(static_cast<uint64_t>((at == nullptr ? end : at) - block.data()), concat("snappy: ", what));
  };
  if (at == nullptr || size > UINT32_MAX) return bad("the block begins with no length");
  if (size > limits.max_expanded_bytes) return limit_exceeded(concat("a snappy block of ", size, " bytes (max_expanded_bytes)"));
  if (size > kMostGrowth * block.size()) return bad(concat("a block of ", block.size(), " bytes announces ", size));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(size)));
  size_t filled = 0;
  const auto little = [&](size_t bytes) {
    uint32_t value = 0;
    std::memcpy(&value, at, bytes);
    at += bytes;
    return value;
  };
  while (at != end) {
    const auto tag = static_cast<uint32_t>(*at++);
    const auto remain = [&] { return static_cast<size_t>(end - at); };
    size_t count = tag >> 2, offset = 0;
    switch (tag & 3) {
      case 0: {
        if (count >= 60) {
          const size_t bytes = count - 59;
          if (remain() < bytes) return bad("the length of a literal is cut off");
          count = little(bytes);
        }
        ++count;
        if (remain() < count) return bad(concat("a literal of ", count, " bytes, only ", remain(), " remain"));
        if (size - filled < count) return bad("there is more than the announced length");
        std::memcpy(out.data() + filled, at, count);
        at += count;
        filled += count;
        continue;
      }
      case 1:
        if (remain() < 1) return bad("a copy is cut off");
        offset = (count >> 3) << 8 | little(1);
        count = (count & 7) + 4;
        break;
      case 2:
        if (remain() < 2) return bad("a copy is cut off");
        offset = little(2);
        ++count;
        break;
      case 3:
        if (remain() < 4) return bad("a copy is cut off");
        offset = little(4);
        ++count;
        break;
    }
    if (offset == 0 || offset > filled) return bad(concat("a copy from ", offset, " bytes back, where ", filled, " have been written"));
    if (size - filled < count) return bad("there is more than the announced length");
    copy_back(out.data() + filled, offset, count);
    filled += count;
  }
  if (filled != size) return bad(concat(filled, " bytes came of the ", size, " announced"));
  return std::move(out).freeze();
}

}  // namespace ferry::snappy
