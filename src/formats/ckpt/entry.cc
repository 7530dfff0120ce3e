#include "formats/ckpt/entry.h"

#include <bit>
#include <cstring>

#include "wire/protobuf.h"

namespace ferry::ckpt {
namespace {

using proto::bytes_tag;
using proto::fixed32_tag;
using proto::varint_tag;

// ---- Keys whose bytes sort as their values do: TensorFlow's OrderedCode

void put_number(std::string& out, uint64_t value) {
  char bytes[9];
  int size = 0;
  for (; value != 0; value >>= 8) bytes[8 - size++] = static_cast<char>(value);
  bytes[8 - size] = static_cast<char>(size);
  out.append(bytes + 8 - size, static_cast<size_t>(size) + 1);
}

void put_text(std::string& out, std::string_view text) {
  for (const char c : text) {
    out += c;
    if (c == '\0') out += '\xff';
    if (c == '\xff') out += '\0';
  }
  out.append("\0\1", 2);
}

// As many leading bits as there are bytes, then the value's own bits, the sign's flipped throughout.
void put_signed(std::string& out, int64_t value) {
  const auto magnitude = static_cast<uint64_t>(value < 0 ? ~value : value);
  const size_t size = static_cast<size_t>(std::bit_width(magnitude)) / 7 + 1;
  uint8_t bytes[10];
  for (size_t i = 0; i < 10; ++i) {
    const size_t shift = 8 * (9 - i);
    bytes[i] = static_cast<uint8_t>(shift >= 64 ? (value < 0 ? 0xff : 0) : static_cast<uint64_t>(value) >> shift);
  }
  uint8_t* const first = bytes + 10 - size;
  constexpr uint8_t kMarks[11][2] = {{0, 0},    {0x80, 0}, {0xc0, 0}, {0xe0, 0},    {0xf0, 0},   {0xf8, 0},
                                     {0xfc, 0}, {0xfe, 0}, {0xff, 0}, {0xff, 0x80}, {0xff, 0xc0}};
  first[0] ^= kMarks[size][0];
  if (size > 1) first[1] ^= kMarks[size][1];
  out.append(reinterpret_cast<const char*>(first), size);
}

}  // namespace

std::string slice_key(std::string_view name, const Slice& slice) {
  std::string out;
  put_number(out, 0);
  put_text(out, name);
  put_number(out, slice.extents.size());
  for (const Slice::Extent& extent : slice.extents) {
    put_signed(out, extent.start);
    put_signed(out, extent.length);
  }
  return out;
}

std::string slice_text(const Slice& slice) {
  std::string out;
  for (const Slice::Extent& extent : slice.extents) {
    if (!out.empty()) out += ':';
    out += extent.length < 0 ? std::string("-") : concat(extent.start, ",", extent.length);
  }
  return out;
}

Result<Header> read_header(std::span<const std::byte> value) {
  Header out;
  proto::Reader in(value);
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(1): out.shards = in.int32(); break;
      case varint_tag(2): out.big_endian = in.int32() == 1; break;
      case bytes_tag(3): {
        proto::Reader version = in.message();
        while (version.next()) {
          switch (version.tag()) {
            case varint_tag(1): out.producer = version.int32(); break;
            case varint_tag(2): out.min_consumer = version.int32(); break;
            default: version.skip();
          }
        }
        FERRY_RETURN_IF_ERROR(version.status().nested("version of the header"));
        break;
      }
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status().nested("the header of the checkpoint"));
  return out;
}

Result<Shape> read_shape(std::span<const std::byte> message, const Limits& limits) {
  Shape out;
  bool unknown_rank = false;
  proto::Reader in(message);
  while (in.next()) {
    if (in.tag() == varint_tag(3)) {
      unknown_rank = in.boolean();
    } else if (in.tag() == bytes_tag(2)) {
      int64_t size = 0;
      proto::Reader axis = in.message();
      while (axis.next()) {
        if (axis.tag() == varint_tag(1)) {
          size = axis.int64();
        } else {
          axis.skip();
        }
      }
      FERRY_RETURN_IF_ERROR(axis.status());
      if (out.rank() >= limits.max_rank) return limit_exceeded(concat("a shape of more than ", limits.max_rank, " axes (max_rank)"));
      out.append(size);
    } else {
      in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  if (unknown_rank) return data_loss("a shape of unknown rank");
  return Shape::checked(out.dims(), limits);
}

Result<Slice> read_slice(std::span<const std::byte> message, const Limits& limits) {
  Slice out;
  proto::Reader in(message);
  while (in.next()) {
    if (in.tag() != bytes_tag(1)) {
      in.skip();
      continue;
    }
    Slice::Extent extent;
    proto::Reader axis = in.message();
    while (axis.next()) {
      switch (axis.tag()) {
        case varint_tag(1): extent.start = axis.int64(); break;
        case varint_tag(2): extent.length = axis.int64(); break;
        default: axis.skip();
      }
    }
    FERRY_RETURN_IF_ERROR(axis.status());
    if (out.extents.size() >= limits.max_rank) return limit_exceeded(concat("a slice of more than ", limits.max_rank, " axes (max_rank)"));
    out.extents.push_back(extent);
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

Result<Shape> slice_shape(const Slice& slice, const Shape& whole) {
  if (slice.extents.size() != whole.rank()) {
    return data_loss(concat("a slice of ", slice.extents.size(), " axes of a tensor of shape ", whole.to_string()));
  }
  Shape out;
  for (size_t axis = 0; axis < whole.rank(); ++axis) {
    const auto [start, length] = slice.extents[axis];
    if (length < 0) {
      out.append(whole[axis]);
    } else if (start < 0 || start > whole[axis] || length > whole[axis] - start) {
      return data_loss(concat("the slice ", slice_text(slice), " does not lie in a tensor of shape ", whole.to_string()));
    } else {
      out.append(length);
    }
  }
  return out;
}

Result<Entry> read_entry(std::string_view name, std::span<const std::byte> value, const Limits& limits) {
  Entry out;
  proto::Reader in(value);
  Status bad;
  while (bad.ok() && in.next()) {
    switch (in.tag()) {
      case varint_tag(1): out.dtype_number = in.int32(); break;
      case bytes_tag(2): {
        auto shape = read_shape(in.bytes(), limits);
        bad = shape.status();
        if (shape.ok()) out.shape = *std::move(shape);
        break;
      }
      case varint_tag(3): out.shard = in.int32(); break;
      case varint_tag(4): out.offset = in.int64(); break;
      case varint_tag(5): out.size = in.int64(); break;
      case fixed32_tag(6): out.crc = in.fixed32(); break;
      case bytes_tag(7): {
        auto slice = read_slice(in.bytes(), limits);
        bad = slice.status();
        if (slice.ok()) out.slices.push_back(*std::move(slice));
        break;
      }
      default: in.skip();
    }
  }
  if (bad.ok()) bad = in.status();
  // Offsets within the entry say nothing to a reader of the file: the table knows where it lies.
  if (!bad.ok()) return bad.nested(concat("entry ", quoted(name)));
  return out;
}

}  // namespace ferry::ckpt
