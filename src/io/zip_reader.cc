#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "ferry/byte_cursor.h"
#include "io/zip.h"
#include "io/zip_end.h"

namespace ferry {
namespace {

constexpr uint32_t kLocalMagic = 0x04034b50;
constexpr uint64_t kLocalSize = kZipLocalSize, kCentralSize = kZipCentralSize;
constexpr uint16_t kNone16 = 0xffff;
constexpr uint32_t kNone32 = kZipNone32;
constexpr uint16_t kZip64Field = 0x0001;
constexpr uint64_t kFarApart = 64 << 10;  // bytes; what Linux maps around a touched page
constexpr uint16_t kSizesFollow = 1 << 3;

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t more = lead < 0x80 ? 0 : lead >= 0xc2 && lead < 0xe0 ? 1 : (lead & 0xf0) == 0xe0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : 9;
    if (more > text.size() - i - 1) return false;
    for (size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    const auto second = more > 0 ? static_cast<unsigned char>(text[i + 1]) : 0;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second >= 0x90)) {
      return false;
    }
    i += more + 1;
  }
  return true;
}

// The upper half of code page 437, which names without the UTF-8 flag are in when they are not UTF-8 after all.
constexpr char16_t kCodePage437[] =
    u"ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■"
    u"\u00a0";

std::string to_utf8(std::string_view raw) {
  if (is_utf8(raw)) return std::string(raw);
  std::string out;
  for (char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    const char16_t code = byte < 0x80 ? byte : kCodePage437[byte - 0x80];
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xc0 | (code >> 6));
      out += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      out += static_cast<char>(0xe0 | (code >> 12));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
      out += static_cast<char>(0x80 | (code & 0x3f));
    }
  }
  return out;
}

// Where the zip64 field of an extra area stands; empty where there is none.
Result<std::span<const std::byte>> zip64_field(std::span<const std::byte> extra, uint64_t offset) {
  ByteCursor cursor(extra, offset);
  // Fewer than four bytes cannot be a field; some writers pad so.
  while (cursor.remaining() >= 4) {
    FERRY_ASSIGN_OR_RETURN(const uint16_t id, cursor.read<uint16_t>("extra field id"));
    FERRY_ASSIGN_OR_RETURN(const uint16_t size, cursor.read<uint16_t>("extra field size"));
    FERRY_ASSIGN_OR_RETURN(const auto field, cursor.take(size, "extra field"));
    if (id == kZip64Field) return field;
  }
  return std::span<const std::byte>();
}

Status take_wide(ByteCursor& field, std::string_view what, uint64_t& value) {
  if (value != kNone32) return {};
  FERRY_ASSIGN_OR_RETURN(value, field.read<uint64_t>(what));
  return {};
}

std::string member_name(const ZipMember& member) { return concat("member ", quoted(member.name)); }

}  // namespace

uint32_t zip_crc32(std::span<const std::byte> bytes, uint32_t crc) { return libdeflate_crc32(crc, bytes.data(), bytes.size()); }

Result<ZipReader> ZipReader::open(std::shared_ptr<const ByteSource> source, const Limits& limits) {
  ZipReader reader;
  reader.source_ = std::move(source);
  reader.limits_ = limits;
  FERRY_ASSIGN_OR_RETURN(ZipEnd end, find_zip_end(*reader.source_, limits));
  reader.comment_ = std::move(end.comment);
  FERRY_RETURN_IF_ERROR(reader.read_directory(end.offset, end.size, end.count, end.offset));
  return reader;
}

Status ZipReader::read_directory(uint64_t offset, uint64_t size, uint64_t count, uint64_t limit) {
  FERRY_ASSIGN_OR_RETURN(const Buffer directory, source_->view(offset, size));
  ByteCursor cursor(directory.bytes(), offset);
  members_.reserve(count);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer heads, MutableBuffer::allocate(count * kHead));  // count entries take 46 bytes each at least
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = cursor.offset();
    FERRY_ASSIGN_OR_RETURN(const auto fixed, cursor.take(kCentralSize, "central directory entry"));
    const std::byte* p = fixed.data();
    if (load_number<uint32_t>(p) != kZipCentralMagic) {
      return data_loss_at(at, concat("entry ", i, " of the central directory does not begin with its signature"));
    }
    const auto flags = load_number<uint16_t>(p + 8);
    const auto name_size = load_number<uint16_t>(p + 28), extra_size = load_number<uint16_t>(p + 30),
               comment_size = load_number<uint16_t>(p + 32);
    FERRY_ASSIGN_OR_RETURN(const auto raw_name, cursor.take_text(name_size, "member name"));
    const uint64_t extra_at = cursor.offset();
    FERRY_ASSIGN_OR_RETURN(const auto extra, cursor.take(extra_size, "extra fields"));
    FERRY_RETURN_IF_ERROR(cursor.skip(comment_size, "member comment"));

    ZipMember member;
    member.name = to_utf8(raw_name);
    if (member.name.size() > limits_.max_name_bytes) {
      return limit_exceeded(
          concat("a member name of ", member.name.size(), " bytes exceeds the limit of ", limits_.max_name_bytes, " (max_name_bytes)"));
    }
    if (member.name.find('\0') != std::string::npos) return data_loss_at(at, concat(member_name(member), " has a NUL byte in its name"));
    if (flags & (kZipEncrypted | kZipStrong | kZipMasked)) {
      return unsupported(concat(member_name(member), " is encrypted; decrypt the archive first"));
    }
    if (flags & kZipPatched) return unsupported(concat(member_name(member), " is a patch, not data"));
    member.method = static_cast<ZipMethod>(load_number<uint16_t>(p + 10));
    member.crc = load_number<uint32_t>(p + 16);
    member.packed = load_number<uint32_t>(p + 20);
    member.size = load_number<uint32_t>(p + 24);
    member.header = load_number<uint32_t>(p + 42);
    if (member.packed == kNone32 || member.size == kNone32 || member.header == kNone32) {
      FERRY_ASSIGN_OR_RETURN(const auto field, zip64_field(extra, extra_at));
      ByteCursor wide(field, extra_at);
      // Without a field the numbers mean themselves.
      if (!field.empty()) {
        FERRY_RETURN_IF_ERROR(take_wide(wide, "zip64 size", member.size));
        FERRY_RETURN_IF_ERROR(take_wide(wide, "zip64 packed size", member.packed));
        FERRY_RETURN_IF_ERROR(take_wide(wide, "zip64 header offset", member.header));
      }
    }
    if (const auto disk = load_number<uint16_t>(p + 34); disk != 0 && disk != kNone16) {
      return unsupported("the archive is split over several files; join them first");
    }
    FERRY_RETURN_IF_ERROR(check_local_header(member, raw_name, flags, limit, member.data, {heads.data() + i * kHead, kHead}));
    if (member.method == ZipMethod::stored && member.packed != member.size) {
      return data_loss_at(at, concat(member_name(member), " is stored as ", member.packed, " bytes but said to have ", member.size));
    }
    members_.push_back(std::move(member));
  }
  if (!cursor.done()) {
    return data_loss_at(cursor.offset(),
                        concat("central directory goes on for ", cursor.remaining(), " bytes after its ", count, " entries"));
  }

  heads_ = std::move(heads).freeze();

  // No name twice, and no byte in two members: the trick of bombs that list one body a million times.
  std::unordered_map<std::string_view, size_t> names;
  names.reserve(members_.size());
  std::vector<uint32_t> order(members_.size());
  bool in_order = true;
  for (size_t i = 0; i < members_.size(); ++i) {
    const auto [it, fresh] = names.emplace(members_[i].name, i);
    if (!fresh) {
      return data_loss_at(members_[i].header, concat(member_name(members_[i]), " is there twice, as entries ", it->second, " and ", i));
    }
    order[i] = static_cast<uint32_t>(i);
    in_order = in_order && (i == 0 || members_[i - 1].header <= members_[i].header);
  }
  if (!in_order) std::ranges::sort(order, {}, [&](uint32_t i) { return members_[i].header; });
  for (size_t i = 1; i < order.size(); ++i) {
    const ZipMember& first = members_[order[i - 1]];
    const ZipMember& second = members_[order[i]];
    if (second.header < first.data + first.packed) {
      return data_loss_at(second.header, concat(member_name(second), " begins here, inside ", member_name(first), ", which ends at byte ",
                                                first.data + first.packed));
    }
  }
  return {};
}

Status ZipReader::check_local_header(const ZipMember& member, std::string_view raw_name, uint16_t flags, uint64_t limit, uint64_t& data,
                                     std::span<std::byte> head) const {
  const uint64_t at = member.header;
  if (at > limit || limit - at < kLocalSize) {
    return data_loss(concat(member_name(member), " is said to begin at byte ", at, ", expected room for its header before byte ", limit));
  }
  // The header, the name and the head of the data at once, where the name and the extra fields are no longer than usual. Read
  // where members lie far apart; a mapped file brings a page and its neighbours in with one touch, which pays where they are dense.
  std::array<std::byte, 1024> block;
  std::span<const std::byte> begin;
  const uint64_t begin_size = std::min<uint64_t>({block.size(), limit - at, kLocalSize + raw_name.size() + 256});
  if (source_->in_memory() && limit / (members_.capacity() + 1) < kFarApart) {
    FERRY_ASSIGN_OR_RETURN(const Buffer view, source_->view(at, begin_size));
    begin = view.bytes();  // the source keeps them
  } else {
    FERRY_RETURN_IF_ERROR(source_->read_at(at, std::span(block).first(begin_size)));
    begin = std::span(block).first(begin_size);
  }
  const std::byte* p = begin.data();
  if (load_number<uint32_t>(p) != kLocalMagic)
    return data_loss_at(at, concat(member_name(member), " has no local header where it should begin"));
  const auto differs = [&](std::string_view what) {
    return data_loss_at(at, concat(member_name(member), " has another ", what, " in its local header than in the central directory"));
  };
  const auto name_size = load_number<uint16_t>(p + 26), extra_size = load_number<uint16_t>(p + 28);
  if (limit - at - kLocalSize < uint64_t{name_size} + extra_size) {
    return data_loss_at(at, concat(member_name(member), " has a local header longer than the bytes before what follows it"));
  }
  if (name_size != raw_name.size()) return differs("name");
  const uint64_t rest_size = uint64_t{name_size} + extra_size;
  std::span<const std::byte> rest = begin.subspan(kLocalSize);
  Buffer whole;
  if (rest_size <= rest.size()) {
    rest = rest.first(rest_size);
  } else {
    FERRY_ASSIGN_OR_RETURN(whole, source_->view(at + kLocalSize, rest_size));
    rest = whole.bytes();
  }
  if (std::string_view(reinterpret_cast<const char*>(rest.data()), name_size) != raw_name) return differs("name");
  if (load_number<uint16_t>(p + 8) != static_cast<uint16_t>(member.method)) return differs("method");
  const auto local_flags = load_number<uint16_t>(p + 6);
  if ((local_flags ^ flags) & (kZipEncrypted | kZipStrong | kZipMasked | kSizesFollow)) return differs("set of flags");
  if (!(flags & kSizesFollow)) {
    uint64_t size = load_number<uint32_t>(p + 22), packed = load_number<uint32_t>(p + 18);
    if (size == kNone32 || packed == kNone32) {
      FERRY_ASSIGN_OR_RETURN(const auto field, zip64_field(rest.subspan(name_size), at + kLocalSize + name_size));
      if (!field.empty()) {
        ByteCursor wide(field, at);
        FERRY_RETURN_IF_ERROR(take_wide(wide, "zip64 size", size));
        FERRY_RETURN_IF_ERROR(take_wide(wide, "zip64 packed size", packed));
      }
    }
    if (size != member.size || packed != member.packed) return differs("size");
    if (load_number<uint32_t>(p + 14) != member.crc) return differs("CRC");
  }
  data = at + kLocalSize + name_size + extra_size;
  if (member.packed > limit - data) {
    return data_loss_at(at, concat(member_name(member), " is said to have ", member.packed, " bytes, only ", limit - data,
                                   " remain before what follows it"));
  }
  head = head.first(std::min<uint64_t>(head.size(), limit - data));
  const uint64_t header_size = data - at;
  if (header_size + head.size() > begin.size()) return source_->read_at(data, head);
  std::memcpy(head.data(), begin.data() + header_size, head.size());
  return {};
}

Result<Buffer> ZipReader::read(size_t i) const {
  const ZipMember& member = members_[i];
  if (member.method == ZipMethod::stored) return source_->view(member.data, member.size);
  if (member.method != ZipMethod::deflate && member.method != ZipMethod::zstd) {
    return unsupported(concat(member_name(member), " is compressed by method ", static_cast<uint16_t>(member.method),
                              "; stored, deflate (8) and zstd (93) are read"));
  }
  FERRY_ASSIGN_OR_RETURN(const Buffer packed, source_->view(member.data, member.packed));
  auto out =
      member.method == ZipMethod::deflate ? inflate(packed.bytes(), member.size, limits_) : unzstd(packed.bytes(), member.size, limits_);
  if (!out.ok()) return out.status().nested(member_name(member));
  if (const uint32_t crc = zip_crc32(out->bytes()); crc != member.crc) {
    return data_loss_at(member.data, concat(member_name(member), " has CRC ", crc, ", expected ", member.crc, ": its bytes are damaged"));
  }
  return out;
}

Result<Buffer> ZipReader::head(size_t i, uint64_t size) const {
  const ZipMember& member = members_[i];
  size = std::min(size, member.size);
  if (member.method == ZipMethod::stored) return size <= kHead ? heads_.slice(i * kHead, size) : source_->view(member.data, size);
  if (size == member.size) return read(i);
  if (member.method != ZipMethod::deflate && member.method != ZipMethod::zstd) return read(i);  // says what is wrong
  // Deflate makes at most 1032 bytes of one; a short member cannot hold what it announces, and read() finds out.
  FERRY_ASSIGN_OR_RETURN(const Buffer packed, source_->view(member.data, member.packed));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(size));
  const auto damaged = [&] { return data_loss_at(member.data, concat(member_name(member), " has damaged compressed data")); };
  if (member.method == ZipMethod::deflate) {
    z_stream state{};
    if (inflateInit2(&state, -15) != Z_OK) return limit_exceeded("no memory for a decompressor");
    state.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    state.avail_in = static_cast<uInt>(std::min<uint64_t>(packed.size(), uint64_t{1} << 30));
    state.next_out = reinterpret_cast<Bytef*>(out.data());
    state.avail_out = static_cast<uInt>(out.size());
    const int code = ::inflate(&state, Z_SYNC_FLUSH);
    const bool full = state.avail_out == 0;
    inflateEnd(&state);
    if (!full || (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)) return damaged();
  } else {
    std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
    if (!context) return limit_exceeded("no memory for a decompressor");
    ZSTD_inBuffer from{packed.data(), packed.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (to.pos < to.size) {
      const size_t before = to.pos + from.pos;
      if (ZSTD_isError(ZSTD_decompressStream(context.get(), &to, &from)) || to.pos + from.pos == before) return damaged();
    }
  }
  return std::move(out).freeze();
}

Status ZipReader::verify(size_t i) const {
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, read(i));
  const ZipMember& member = members_[i];
  if (member.method != ZipMethod::stored) return {};  // read() has looked
  if (const uint32_t crc = zip_crc32(bytes.bytes()); crc != member.crc) {
    return data_loss_at(member.data, concat(member_name(member), " has CRC ", crc, ", expected ", member.crc, ": its bytes are damaged"));
  }
  return {};
}

}  // namespace ferry
