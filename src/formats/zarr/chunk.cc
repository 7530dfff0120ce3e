#include "formats/zarr/chunk.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "ferry/byte_cursor.h"
#include "ferry/checked.h"
#include "ferry/crc32c.h"
#include "formats/elements.h"
#include "formats/zarr/strided.h"
#include "io/chunk_codec.h"
#include "wire/utf8.h"

namespace ferry::zarr {
namespace {

constexpr uint64_t kMissing = UINT64_MAX;

std::vector<int64_t> c_strides(std::span<const int64_t> shape) {
  std::vector<int64_t> out(shape.size());
  int64_t stride = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    out[axis] = stride;
    stride *= shape[axis];
  }
  return out;
}

std::vector<int64_t> permuted(std::span<const int64_t> values, std::span<const int64_t> order) {
  std::vector<int64_t> out(values.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = values[static_cast<size_t>(order[i])];
  return out;
}

// numcodecs' shuffle: byte 0 of every element, then byte 1 …; what does not fill an element stays at the end.
Result<Buffer> unshuffle(const Buffer& bytes, uint64_t width) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(bytes.size()));
  const size_t count = bytes.size() / width;
  for (size_t b = 0; b < width; ++b) {
    const std::byte* from = bytes.data() + b * count;
    for (size_t i = 0; i < count; ++i) out.data()[i * width + b] = from[i];
  }
  const size_t done = count * width;
  if (done < bytes.size()) std::memcpy(out.data() + done, bytes.data() + done, bytes.size() - done);
  return std::move(out).freeze();
}

Result<Buffer> checked_crc(const Buffer& bytes) {
  if (bytes.size() < 4) return data_loss("a chunk has no room for its CRC-32C");
  const Buffer data = bytes.slice(0, bytes.size() - 4);
  uint32_t stored;
  std::memcpy(&stored, data.data() + data.size(), 4);
  if (const uint32_t crc = crc32c(data.bytes()); crc != stored)
    return data_loss(concat("a chunk has CRC-32C ", crc, ", and ", stored, " is stored with it"));
  return data;
}

// Each element is the difference to the one before.
Status undo_delta(std::span<std::byte> bytes, DType dtype) {
  return visit_dtype(dtype, [&](auto tag) -> Status {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
      T* values = reinterpret_cast<T*>(bytes.data());
      for (size_t i = 1; i < bytes.size() / sizeof(T); ++i) {
        if constexpr (std::is_integral_v<T>) {
          using U = std::make_unsigned_t<T>;
          values[i] = static_cast<T>(static_cast<U>(static_cast<U>(values[i - 1]) + static_cast<U>(values[i])));
        } else {
          values[i] += values[i - 1];
        }
      }
      return {};
    } else {
      return unsupported(concat("the codec delta over ", dtype_name(dtype)));
    }
  });
}

}  // namespace

Result<Buffer> ChunkDecoder::undo(Buffer bytes, const Codec& codec, uint64_t exact, uint64_t most) const {
  const auto expand = [&](ChunkCodec kind) { return expand_chunk(kind, bytes.bytes(), exact, most); };
  switch (codec.kind) {
    case CodecKind::zlib: return expand(ChunkCodec::zlib);
    case CodecKind::zstd: return expand(ChunkCodec::zstd);
    case CodecKind::lz4: return expand(ChunkCodec::lz4);
    case CodecKind::blosc: return expand(ChunkCodec::blosc);
    case CodecKind::crc32c: return checked_crc(bytes);
    case CodecKind::shuffle: return unshuffle(bytes, codec.width);
    case CodecKind::delta:
    case CodecKind::transpose:
    case CodecKind::sharding: break;
  }
  return unsupported("codecs in an order that makes no sense");
}

// Native elements, C order. `native`: they are already.
Result<Buffer> ChunkDecoder::elements_of(Buffer bytes, uint64_t count, bool native) const {
  const Element& element = meta_.element;
  if (bytes.size() != count * element.size) {
    return data_loss(concat("a chunk has ", bytes.size(), " bytes, expected ", count * element.size));
  }
  if (element.dtype == DType::bool_) FERRY_RETURN_IF_ERROR(check_bools(bytes.bytes()));
  const size_t unit = dtype_class(element.dtype) == DTypeClass::kComplex ? element.size / 2 : element.size;
  if (native || !element.big_endian || unit == 1) return bytes;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer swapped, MutableBuffer::allocate(bytes.size()));
  std::memcpy(swapped.data(), bytes.data(), bytes.size());
  swap_elements({swapped.data(), swapped.size()}, unit);
  return std::move(swapped).freeze();
}

// One string_view for each string of a chunk.
Result<Buffer> ChunkDecoder::views_of(const Buffer& bytes, uint64_t count) const {
  const Element& element = meta_.element;
  const uint64_t least = element.kind == ElementKind::variable ? 4 : element.size;
  if (count > bytes.size() / least) return data_loss(concat("a chunk of ", bytes.size(), " bytes cannot hold its ", count, " strings"));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer views, MutableBuffer::of<std::string_view>(count));
  auto* out = reinterpret_cast<std::string_view*>(views.data());
  texts_.keep(bytes);
  if (element.kind == ElementKind::variable) {
    ByteCursor in(bytes.bytes());
    FERRY_ASSIGN_OR_RETURN(const auto stored, in.read<uint32_t>("the count of strings"));
    if (stored != count) return data_loss(concat("a chunk has ", stored, " strings, expected ", count));
    for (uint64_t i = 0; i < count; ++i) {
      FERRY_ASSIGN_OR_RETURN(const auto size, in.read<uint32_t>("a string's size"));
      FERRY_ASSIGN_OR_RETURN(out[i], in.take_text(size, "a string"));
    }
    return std::move(views).freeze();
  }
  if (bytes.size() != count * element.size)
    return data_loss(concat("a chunk has ", bytes.size(), " bytes, expected ", count * element.size));
  if (element.kind == ElementKind::bytes) {
    for (uint64_t i = 0; i < count; ++i) {
      const std::string_view text = bytes.text().substr(i * element.size, element.size);
      out[i] = text.substr(0, text.find_last_not_of('\0') + 1);
    }
    return std::move(views).freeze();
  }
  std::string all;
  std::vector<size_t> ends(count);
  for (uint64_t i = 0; i < count; ++i) {
    const size_t start = all.size();
    size_t end = start;
    for (size_t at = 0; at < element.size; at += 4) {
      uint32_t point;
      std::memcpy(&point, bytes.data() + i * element.size + at, 4);
      if (element.big_endian) point = __builtin_bswap32(point);
      if (point >= 0x110000 || (point >= 0xd800 && point < 0xe000))
        return data_loss(concat("a string has the code point ", point, ", which is none"));
      append_utf8(all, point);
      if (point != 0) end = all.size();
    }
    all.resize(end);
    ends[i] = end;
  }
  FERRY_ASSIGN_OR_RETURN(const Buffer kept, Buffer::copy_of(std::string_view(all)));
  texts_.keep(kept);
  for (uint64_t i = 0; i < count; ++i) out[i] = kept.text().substr(i == 0 ? 0 : ends[i - 1], ends[i] - (i == 0 ? 0 : ends[i - 1]));
  return std::move(views).freeze();
}

Status ChunkDecoder::decode_shard(const Buffer& bytes, const Codec& shard, std::span<const int64_t> chunk, std::span<const int64_t> extent,
                                  Target to, uint64_t& left) const {
  std::vector<int64_t> grid(chunk.size());
  uint64_t count = 1;
  for (size_t axis = 0; axis < chunk.size(); ++axis) {
    grid[axis] = chunk[axis] / shard.chunk_shape[axis];
    count = checked_mul(count, static_cast<uint64_t>(grid[axis])).value_or(UINT64_MAX);
  }
  const uint64_t tail = shard.index_crc ? 4 : 0;
  if (count > bytes.size() / 16 || bytes.size() - 16 * count < tail) {
    return data_loss(concat("a shard of ", bytes.size(), " bytes cannot hold the index of its ", count, " chunks"));
  }
  const uint64_t size = 16 * count + tail;
  Buffer index = bytes.slice(shard.index_first ? 0 : bytes.size() - size, size);
  if (shard.index_crc) {
    FERRY_ASSIGN_OR_RETURN(index, checked_crc(index));
  }
  std::vector<int64_t> at(chunk.size(), 0), part(chunk.size());
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t place[2];
    std::memcpy(place, index.data() + 16 * i, 16);
    bool inside = true;
    int64_t offset = 0;
    for (size_t axis = 0; axis < chunk.size(); ++axis) {
      const int64_t start = at[axis] * shard.chunk_shape[axis];
      part[axis] = std::min(shard.chunk_shape[axis], extent[axis] - start);
      inside = inside && part[axis] > 0;
      if (inside) offset += start * to.strides[axis];  // else a chunk past the end of the array, wherever that would be
    }
    if (inside && !(place[0] == kMissing && place[1] == kMissing)) {
      if (place[0] > bytes.size() || place[1] > bytes.size() - place[0]) {
        return data_loss(concat("a shard of ", bytes.size(), " bytes says that a chunk of ", place[1], " bytes lies at ", place[0]));
      }
      const Target inner{to.data + offset * static_cast<int64_t>(to.width), to.strides, to.width};
      FERRY_RETURN_IF_ERROR(decode(bytes.slice(place[0], place[1]), shard.inner, shard.chunk_shape, part, inner, left));
    }
    for (size_t axis = chunk.size(); axis-- > 0;) {
      if (++at[axis] < grid[axis]) break;
      at[axis] = 0;
    }
  }
  return {};
}

uint64_t ChunkDecoder::allowed(uint64_t stored) const {
  const uint64_t ratio = checked_mul<uint64_t>(std::max<uint64_t>(stored, 1), limits_.max_expansion_ratio).value_or(UINT64_MAX);
  return std::min({std::max(limits_.free_expanded_bytes, ratio), limits_.max_expanded_bytes, limits_.max_tensor_bytes});
}

Status ChunkDecoder::decode(Buffer bytes, std::span<const Codec> codecs, std::span<const int64_t> chunk, std::span<const int64_t> extent,
                            Target to, uint64_t& left) const {
  // A transposed chunk is the chunk of a transposed array: from here on axes are as they are stored.
  std::vector<int64_t> shape(chunk.begin(), chunk.end()), part(extent.begin(), extent.end()), strides(to.strides.begin(), to.strides.end());
  if (!codecs.empty() && codecs.front().kind == CodecKind::transpose) {
    const auto& order = codecs.front().order;
    shape = permuted(chunk, order);
    part = permuted(extent, order);
    strides = permuted(to.strides, order);
    codecs = codecs.subspan(1);
  }
  to.strides = strides;
  uint64_t count = 1;
  for (int64_t dim : shape) count = checked_mul(count, static_cast<uint64_t>(dim)).value_or(UINT64_MAX);
  const bool strings = meta_.element.kind != ElementKind::fixed;
  const uint64_t allowed = std::min(this->allowed(bytes.size()), left);
  const uint64_t exact = checked_mul<uint64_t>(count, std::max<size_t>(meta_.element.size, 1)).value_or(UINT64_MAX);
  const bool shards = std::ranges::any_of(codecs, [](const Codec& codec) { return codec.kind == CodecKind::sharding; });
  if (!shards && exact > allowed) {
    return limit_exceeded(concat("a chunk of ", bytes.size(), " bytes expands to ", exact, ", more than ", allowed,
                                 " (free_expanded_bytes, max_expansion_ratio, max_tensor_bytes)"));
  }
  const uint64_t most = meta_.element.kind == ElementKind::variable || shards ? allowed : std::min(allowed, exact + exact / 8 + 4096);
  const uint64_t guess = meta_.element.kind == ElementKind::variable || shards ? std::min(allowed, 4 * bytes.size() + 64) : exact;
  bool native = false;
  for (size_t i = codecs.size(); i-- > 0;) {
    if (codecs[i].kind == CodecKind::sharding) {
      if (i != 0) return unsupported("codecs before sharding_indexed, other than transpose");
      return decode_shard(bytes, codecs[i], shape, part, to, left);
    }
    if (codecs[i].kind == CodecKind::delta) {
      FERRY_ASSIGN_OR_RETURN(const Buffer before, elements_of(std::move(bytes), count, native));
      native = true;
      FERRY_ASSIGN_OR_RETURN(MutableBuffer sums, MutableBuffer::allocate(before.size()));
      if (!before.empty()) std::memcpy(sums.data(), before.data(), before.size());
      FERRY_RETURN_IF_ERROR(undo_delta({sums.data(), sums.size()}, meta_.element.dtype));
      bytes = std::move(sums).freeze();
      continue;
    }
    FERRY_ASSIGN_OR_RETURN(bytes, undo(std::move(bytes), codecs[i], guess, most));
    left -= std::min(left, bytes.size());
  }
  FERRY_ASSIGN_OR_RETURN(const Buffer elements, strings ? views_of(bytes, count) : elements_of(std::move(bytes), count, native));
  copy_box(to.data, to.strides, elements.data(), c_strides(shape), part, to.width);
  return {};
}

}  // namespace ferry::zarr
