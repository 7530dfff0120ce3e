// Zip archives: the container of npz, keras and PyTorch files. Layout: APPNOTE 6.3.10; docs/formats/npz.md shows ours.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/io.h"
#include "ferry/limits.h"
#include "ferry/status.h"
#include "io/name_slots.h"

namespace ferry {

enum class ZipMethod : uint16_t { stored = 0, deflate = 8, zstd = 93 };

struct ZipMember {
  std::string name;       // UTF-8
  uint64_t header = 0;    // where its local header starts
  uint64_t data = 0;      // where its bytes start
  uint64_t packed = 0;    // bytes in the file
  uint64_t size = 0;      // bytes once expanded
  uint32_t crc = 0;       // CRC-32 of the expanded bytes
  ZipMethod method = {};  // may be one we do not read: read() says so
};

// A whole archive's directory, checked: every member lies within the file, before the central directory, and on no other
// member; local and central headers agree; names are unique; nothing is encrypted or split over disks.
// Thread-safe: reading changes nothing. Members come in the order of the central directory.
class ZipReader {
 public:
  static Result<ZipReader> open(std::shared_ptr<const ByteSource> source, const Limits& limits = {});

  std::span<const ZipMember> members() const { return members_; }
  std::string_view comment() const { return comment_; }
  const ByteSource& source() const { return *source_; }
  // All of a member. Stored: a view that keeps the source's memory alive, its CRC unread (verify() reads it). Else
  // expanded within the limits, and held against its CRC.
  Result<Buffer> read(size_t member) const;
  // The first min(size, member's size) bytes, expanding no more than it must; no CRC.
  Result<Buffer> head(size_t member, uint64_t size) const;
  // Reads the member and holds it against its CRC.
  Status verify(size_t member) const;

 private:
  static constexpr size_t kHead = 128;
  friend class ZipIndex;
  // `limit`: where the last member ends at the latest.
  Status read_directory(uint64_t offset, uint64_t size, uint64_t count, uint64_t limit);
  Status check_local_header(const ZipMember& member, std::string_view raw_name, uint16_t flags, uint64_t limit, uint64_t& data,
                            std::span<std::byte> head) const;
  std::shared_ptr<const ByteSource> source_;
  Limits limits_;
  std::vector<ZipMember> members_;
  Buffer heads_;  // the first kHead bytes of each member as they are in the file, read together with its local header
  std::string comment_;
};

// The names in an archive, to find one member among very many: eight bytes a member, and nothing copied. The directory is checked
// as far as it goes by itself (places and names); a member's local header is when the member is asked for.
// Thread-safe: nothing changes after open().
class ZipIndex {
 public:
  // Nothing where the archive is unusual (zip64, members out of order, names beyond ASCII) or wrong: ZipReader reads it, or says what is.
  static Result<std::optional<ZipIndex>> open(std::shared_ptr<const ByteSource> source, const Limits& limits = {});

  size_t size() const { return entries_.size(); }
  std::string_view name(size_t member) const;
  size_t find(std::string_view name) const;  // NameSlots::kNone where there is none
  std::string_view comment() const { return comment_; }
  // A reader of this member alone, which is then its member 0, checked as ZipReader does.
  Result<ZipReader> only(size_t member) const;

 private:
  bool scan(uint64_t count);  // false: unusual
  std::shared_ptr<const ByteSource> source_;
  Limits limits_;
  Buffer directory_;
  uint64_t offset_ = 0;            // of the directory
  std::vector<uint32_t> entries_;  // where in the directory
  NameSlots slots_;
  std::string comment_;
};

// Whether an archive's directory seems to list a name with this ending: a look at its bytes, for telling formats apart.
bool zip_lists(const ByteSource& source, std::string_view name_ending);

// Writes members one after the other. Same calls, same bytes: every time stamp is 1980-01-01. Not thread-safe.
class ZipWriter {
 public:
  static constexpr size_t kAlign = 64;
  // The sink outlives the writer and is not closed by it.
  explicit ZipWriter(ByteSink& sink) : sink_(sink) {}

  // `pieces` end to end. A stored member's bytes start at a multiple of kAlign in the archive, so that a mapped file gives
  // aligned views; a deflated one that does not shrink is stored.
  Status add(std::string_view name, std::span<const std::span<const std::byte>> pieces, ZipMethod method = ZipMethod::stored);
  Status add(std::string_view name, std::span<const std::byte> bytes, ZipMethod method = ZipMethod::stored) {
    return add(name, std::span(&bytes, 1), method);
  }
  // `lead`, then `body`; of a mapped file, the body's pages are let go behind the work.
  Status add(std::string_view name, std::string_view lead, const Buffer& body, ZipMethod method = ZipMethod::stored);
  // The central directory and the end record with `comment` (at most 65535 bytes). Last call.
  Status finish(std::string_view comment = "");

 private:
  Status put(std::span<const std::byte> bytes);
  Status add(std::string_view name, std::span<const std::span<const std::byte>> pieces, const Buffer* last, ZipMethod method);
  ByteSink& sink_;
  uint64_t at_ = 0;
  uint64_t count_ = 0;
  std::string directory_;
};

// CRC-32 as zip and gzip use it (not the CRC-32C of records).
uint32_t zip_crc32(std::span<const std::byte> bytes, uint32_t crc = 0);

}  // namespace ferry
