#include <libdeflate.h>

#include <algorithm>
#include <memory>

#include "io/zip.h"

namespace ferry {
namespace {

constexpr uint64_t kNone32 = 0xffffffff;
constexpr uint16_t kUtf8 = 1 << 11;
constexpr uint16_t kDosTime = 0, kDosDate = (0 << 9) | (1 << 5) | 1;  // 1980-01-01 00:00, the first there is
constexpr uint16_t kAlignField = 0xd935;                              // as Android's zipalign writes it: u16 alignment, then zeros
constexpr int kLevel = 6;
constexpr size_t kPiece = size_t{4} << 20;

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

// Deflates the pieces end to end; empty where that would not be shorter than `size`.
// A deflate stream is a row of blocks, and a stored block ends on a byte: what is too long to put together goes out as
// stored blocks for the short leading pieces and one libdeflate stream for the last, without copying it.
Result<std::string> deflate_pieces(std::span<const std::span<const std::byte>> pieces, uint64_t size) {
  constexpr uint64_t kGather = 1 << 20;
  std::string lead;
  std::string gathered;
  std::span<const std::byte> body;
  if (size <= kGather) {
    for (const auto piece : pieces) gathered.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    body = std::as_bytes(std::span(gathered));
  } else {
    body = pieces.back();
    for (auto piece : pieces.first(pieces.size() - 1)) {
      while (!piece.empty()) {
        const auto block = piece.first(std::min<size_t>(piece.size(), 0xffff));
        lead += '\0';  // not the last block, stored
        append(lead, static_cast<uint16_t>(block.size()));
        append(lead, static_cast<uint16_t>(~block.size()));
        lead.append(reinterpret_cast<const char*>(block.data()), block.size());
        piece = piece.subspan(block.size());
      }
    }
  }
  if (size <= lead.size()) return std::string();
  std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> state(libdeflate_alloc_compressor(kLevel),
                                                                                      libdeflate_free_compressor);
  if (!state) return limit_exceeded("no memory for a compressor");
  FERRY_ASSIGN_OR_RETURN(MutableBuffer room, MutableBuffer::allocate(size - lead.size()));
  const size_t made = libdeflate_deflate_compress(state.get(), body.data(), body.size(), room.data(), room.size());
  if (made == 0 || lead.size() + made >= size) return std::string();
  lead.append(reinterpret_cast<const char*>(room.data()), made);
  return lead;
}

}  // namespace

Status ZipWriter::put(std::span<const std::byte> bytes) {
  at_ += bytes.size();
  return sink_.write(bytes);
}

Status ZipWriter::add(std::string_view name, std::span<const std::span<const std::byte>> pieces, ZipMethod method) {
  return add(name, pieces, nullptr, method);
}

Status ZipWriter::add(std::string_view name, std::string_view lead, const Buffer& body, ZipMethod method) {
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(lead)), body.bytes()};
  return add(name, pieces, &body, method);
}

Status ZipWriter::add(std::string_view name, std::span<const std::span<const std::byte>> pieces, const Buffer* last, ZipMethod method) {
  if (name.size() > 0xffff) return limit_exceeded(concat("a zip member name is at most 65535 bytes long, ", name.size(), " were given"));
  uint64_t size = 0;
  uint32_t crc = 0;
  for (const auto piece : pieces) {
    size += piece.size();
    const bool mapped = last != nullptr && last->is_mapped() && piece.data() == last->data();
    for (size_t at = 0; at < piece.size();) {
      const size_t part = mapped ? std::min(kPiece, piece.size() - at) : piece.size();
      crc = zip_crc32(piece.subspan(at, part), crc);
      if (mapped && piece.size() > kPiece) last->slice(at, part).drop_pages();
      at += part;
    }
  }
  std::string packed;
  if (method == ZipMethod::deflate && size > 0) {
    FERRY_ASSIGN_OR_RETURN(packed, deflate_pieces(pieces, size));
  } else if (method == ZipMethod::zstd) {
    return unsupported("zip members are written stored or deflated");
  }
  if (packed.empty()) method = ZipMethod::stored;
  const uint64_t packed_size = method == ZipMethod::stored ? size : packed.size();

  const bool wide_size = size >= kNone32 || packed_size >= kNone32;
  const bool wide_offset = at_ >= kNone32;
  std::string extra;
  if (wide_size) {
    append<uint16_t>(extra, 1);
    append<uint16_t>(extra, 16);
    append<uint64_t>(extra, size);
    append<uint64_t>(extra, packed_size);
  }
  if (method == ZipMethod::stored && size > 0) {
    const uint64_t data = at_ + 30 + name.size() + extra.size();
    if (uint64_t gap = (kAlign - data % kAlign) % kAlign; gap > 0) {
      if (gap < 6) gap += kAlign;  // the field's own head
      append<uint16_t>(extra, kAlignField);
      append<uint16_t>(extra, static_cast<uint16_t>(gap - 4));
      append<uint16_t>(extra, kAlign);
      extra.append(gap - 6, '\0');
    }
  }
  const uint16_t needed = wide_size || wide_offset ? 45 : 20;
  bool ascii = true;
  for (char c : name) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  const uint16_t flags = ascii ? 0 : kUtf8;

  std::string shared;  // what both headers say alike
  append<uint16_t>(shared, needed);
  append<uint16_t>(shared, flags);
  append<uint16_t>(shared, static_cast<uint16_t>(method));
  append<uint16_t>(shared, kDosTime);
  append<uint16_t>(shared, kDosDate);
  append<uint32_t>(shared, crc);
  append<uint32_t>(shared, static_cast<uint32_t>(wide_size ? kNone32 : packed_size));
  append<uint32_t>(shared, static_cast<uint32_t>(wide_size ? kNone32 : size));
  append<uint16_t>(shared, static_cast<uint16_t>(name.size()));

  directory_ += "PK\1\2";
  append<uint16_t>(directory_, static_cast<uint16_t>((3 << 8) | needed));  // made on Unix
  directory_ += shared;
  append<uint16_t>(directory_, static_cast<uint16_t>((wide_size ? 16 : 0) + (wide_offset ? 8 : 0) + (wide_size || wide_offset ? 4 : 0)));
  append<uint16_t>(directory_, 0);               // comment
  append<uint16_t>(directory_, 0);               // disk
  append<uint16_t>(directory_, 0);               // internal attributes
  append<uint32_t>(directory_, 0100644u << 16);  // a regular file, rw-r--r--
  append<uint32_t>(directory_, static_cast<uint32_t>(wide_offset ? kNone32 : at_));
  directory_ += name;
  if (wide_size || wide_offset) {
    append<uint16_t>(directory_, 1);
    append<uint16_t>(directory_, static_cast<uint16_t>((wide_size ? 16 : 0) + (wide_offset ? 8 : 0)));
    if (wide_size) {
      append<uint64_t>(directory_, size);
      append<uint64_t>(directory_, packed_size);
    }
    if (wide_offset) append<uint64_t>(directory_, at_);
  }
  ++count_;

  std::string local = "PK\3\4";
  local += shared;
  append<uint16_t>(local, static_cast<uint16_t>(extra.size()));
  local += name;
  local += extra;
  FERRY_RETURN_IF_ERROR(put(std::as_bytes(std::span(local))));
  if (method != ZipMethod::stored) return put(std::as_bytes(std::span(packed)));
  for (const auto piece : pieces) {
    if (last == nullptr || piece.data() != last->data()) {
      FERRY_RETURN_IF_ERROR(put(piece));
      continue;
    }
    at_ += piece.size();
    FERRY_RETURN_IF_ERROR(write_through(sink_, *last));
  }
  return {};
}

Status ZipWriter::finish(std::string_view comment) {
  if (comment.size() > 0xffff) return limit_exceeded(concat("a zip comment is at most 65535 bytes long, ", comment.size(), " were given"));
  const uint64_t start = at_, size = directory_.size();
  FERRY_RETURN_IF_ERROR(put(std::as_bytes(std::span(directory_))));
  std::string end;
  if (count_ >= 0xffff || start >= kNone32 || size >= kNone32) {
    const uint64_t end64 = at_;
    end += "PK\6\6";
    append<uint64_t>(end, 44);  // what follows of this record
    append<uint16_t>(end, (3 << 8) | 45);
    append<uint16_t>(end, 45);
    append<uint32_t>(end, 0);
    append<uint32_t>(end, 0);
    append<uint64_t>(end, count_);
    append<uint64_t>(end, count_);
    append<uint64_t>(end, size);
    append<uint64_t>(end, start);
    end += "PK\6\7";
    append<uint32_t>(end, 0);
    append<uint64_t>(end, end64);
    append<uint32_t>(end, 1);
  }
  const auto short_count = static_cast<uint16_t>(std::min<uint64_t>(count_, 0xffff));
  end += "PK\5\6";
  append<uint16_t>(end, 0);
  append<uint16_t>(end, 0);
  append<uint16_t>(end, short_count);
  append<uint16_t>(end, short_count);
  append<uint32_t>(end, static_cast<uint32_t>(std::min(size, kNone32)));
  append<uint32_t>(end, static_cast<uint32_t>(std::min(start, kNone32)));
  append<uint16_t>(end, static_cast<uint16_t>(comment.size()));
  end += comment;
  return put(std::as_bytes(std::span(end)));
}

}  // namespace ferry
