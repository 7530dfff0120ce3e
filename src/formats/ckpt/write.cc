#include "formats/ckpt/write.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ferry/crc32c.h"
#include "formats/elements.h"
#include "wire/protobuf.h"
#include "wire/sorted_table.h"

namespace ferry::ckpt {
namespace {

// One data file, version 1: what TensorFlow 2 writes.
constexpr std::string_view kHeader("\x08\x01\x1a\x02\x08\x01");

void append_number(std::string& out, uint32_t field, uint64_t value) {
  if (value == 0) return;
  proto::append_varint(out, proto::varint_tag(field));
  proto::append_varint(out, value);
}

std::string entry_of(const DenseTensor& tensor, uint64_t offset, uint64_t size, uint32_t crc) {
  std::string shape;
  for (const int64_t dim : tensor.shape()) {
    std::string axis;
    append_number(axis, 1, static_cast<uint64_t>(dim));
    proto::append_varint(shape, proto::bytes_tag(2));
    proto::append_varint(shape, axis.size());
    shape += axis;
  }
  std::string out;
  append_number(out, 1, static_cast<uint64_t>(tensor.dtype()));
  proto::append_varint(out, proto::bytes_tag(2));
  proto::append_varint(out, shape.size());
  out += shape;
  append_number(out, 4, offset);
  append_number(out, 5, size);
  if (crc != 0) {
    proto::append_varint(out, proto::fixed32_tag(6));
    char bytes[4];
    std::memcpy(bytes, &crc, 4);
    out.append(bytes, 4);
  }
  return out;
}

// The lengths of strings and the checksum of them, as they stand before the strings; `crc` goes on behind them.
std::string lengths_of(const StringsView& strings, uint32_t& crc) {
  std::string out;
  for (int64_t i = 0; i < strings.size(); ++i) {
    const uint64_t length = strings[i].size();
    proto::append_varint(out, length);
    const size_t width = length <= UINT32_MAX ? 4 : 8;  // little endian: the low half comes first
    crc = crc32c(std::as_bytes(std::span(&length, 1)).first(width), crc);
  }
  const uint32_t masked = mask_crc(crc);
  const auto bytes = std::as_bytes(std::span(&masked, 1));
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  crc = crc32c(bytes, crc);
  return out;
}

}  // namespace

Status BundleWriter::write(std::span<const std::byte> bytes) {
  FERRY_RETURN_IF_ERROR(data_.write(bytes));
  at_ += bytes.size();
  return {};
}

// TensorFlow goes by the offsets, so that gaps are free; aligned elements are read without a copy.
Status BundleWriter::pad(size_t alignment) {
  constexpr std::array<std::byte, 16> kZeros{};
  const size_t gap = (alignment - at_ % alignment) % alignment;
  return gap == 0 ? Status() : write(std::span(kZeros).first(gap));
}

// Elements and the checksum of them, in pieces that the cache still holds when they are looked at again.
Status BundleWriter::write(const Buffer& bytes, uint32_t& crc) {
  constexpr size_t kPiece = size_t{1} << 20, kWorthDropping = 4096;
  for (size_t at = 0; at < bytes.size(); at += kPiece) {
    const Buffer piece = bytes.slice(at, std::min(kPiece, bytes.size() - at));
    crc = crc32c(piece.bytes(), crc);
    FERRY_RETURN_IF_ERROR(write(piece.bytes()));
    if (bytes.size() >= kWorthDropping) piece.drop_pages();
  }
  return {};
}

Status BundleWriter::check_name(std::string_view name) {
  if (name.empty()) return unsupported("a checkpoint has no tensor without a name; give it one (--rename)");
  if (name.front() == '\0')
    return unsupported(concat("a checkpoint keeps names that begin with a zero byte for slices; rename ", quoted(name)));
  return {};
}

Status BundleWriter::add(std::string_view name, const DenseTensor& tensor) {
  FERRY_RETURN_IF_ERROR(check_name(name));
  if (entries_.contains(name)) return invalid_argument(concat("two arrays are named ", quoted(name), "; rename one (--rename)"));
  uint64_t offset, size;
  uint32_t crc = 0;
  if (tensor.is_string()) {
    const StringsView strings = tensor.strings();
    const std::string lengths = lengths_of(strings, crc);
    const Buffer text = tensor.string_bytes().slice(static_cast<size_t>(strings.offsets()[0]), static_cast<size_t>(strings.total_bytes()));
    offset = at_;
    size = lengths.size() + text.size();
    FERRY_RETURN_IF_ERROR(write(std::as_bytes(std::span(lengths))));
    FERRY_RETURN_IF_ERROR(write(text, crc));
  } else {
    FERRY_RETURN_IF_ERROR(pad(element_alignment(tensor.dtype())));
    offset = at_;
    size = tensor.num_bytes();
    FERRY_RETURN_IF_ERROR(write(tensor.buffer(), crc));
  }
  entries_.emplace(name, entry_of(tensor, offset, size, mask_crc(crc)));
  return {};
}

std::string BundleWriter::finish() && {
  SortedTableWriter table;
  table.add("", kHeader);
  for (const auto& [name, entry] : entries_) table.add(name, entry);
  return std::move(table).finish();
}

}  // namespace ferry::ckpt
