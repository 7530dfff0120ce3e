#include "io/zip_end.h"

#include <algorithm>
#include <array>

#include "ferry/byte_cursor.h"
#include "io/zip.h"

namespace ferry {
namespace {

constexpr uint32_t kEndMagic = 0x06054b50, kEnd64Magic = 0x06064b50, kLocatorMagic = 0x07064b50;
constexpr uint64_t kEndSize = 22, kEnd64Size = 56, kLocatorSize = 20;
constexpr uint64_t kMaxComment = 0xffff;
constexpr uint16_t kNone16 = 0xffff;

Result<ZipEnd> read_end(const ByteSource& source) {
  const uint64_t total = source.size();
  if (total < kEndSize) return data_loss(concat("is ", total, " bytes long, a zip archive has at least ", kEndSize));
  const uint64_t tail_size = std::min(total, kEndSize + kMaxComment);
  const uint64_t tail_at = total - tail_size;
  FERRY_ASSIGN_OR_RETURN(const Buffer tail, source.view(tail_at, tail_size));
  // The last signature whose comment reaches exactly to the end of the file.
  uint64_t at = tail_size - kEndSize;
  while (load_number<uint32_t>(tail.data() + at) != kEndMagic ||
         load_number<uint16_t>(tail.data() + at + 20) != tail_size - at - kEndSize) {
    if (at == 0) {
      return data_loss("has no end record of a zip archive in its last bytes: cut short, or not a zip file");
    }
    --at;
  }
  ByteCursor cursor(tail.bytes().subspan(at), tail_at + at);
  struct Fields {
    uint32_t magic;
    uint16_t disk, directory_disk, disk_count, count;
    uint32_t size, offset;
  };
  static_assert(sizeof(Fields) == 20);
  FERRY_ASSIGN_OR_RETURN(const Fields fields, cursor.read<Fields>("end record"));
  FERRY_ASSIGN_OR_RETURN(const uint16_t comment_size, cursor.read<uint16_t>("comment length"));
  FERRY_ASSIGN_OR_RETURN(const std::string_view comment, cursor.take_text(comment_size, "comment"));
  ZipEnd end{fields.count, fields.size, fields.offset, tail_at + at, std::string(comment)};
  const bool wide = fields.count == kNone16 || fields.size == kZipNone32 || fields.offset == kZipNone32 || fields.disk == kNone16;
  // PyTorch writes a zip64 end record into every archive, so it is looked for also where no number needs it.
  if (tail_at + at >= kLocatorSize) {
    const uint64_t locator_at = tail_at + at - kLocatorSize;
    std::array<std::byte, kLocatorSize> locator;
    FERRY_RETURN_IF_ERROR(source.read_at(locator_at, locator));
    if (load_number<uint32_t>(locator.data()) == kLocatorMagic) {
      const auto end64_at = load_number<uint64_t>(locator.data() + 8);
      if (end64_at > locator_at || locator_at - end64_at < kEnd64Size) {
        return data_loss_at(locator_at, concat("zip64 end record is said to be at byte ", end64_at, ", which is not before its locator"));
      }
      std::array<std::byte, kEnd64Size> end64;
      FERRY_RETURN_IF_ERROR(source.read_at(end64_at, end64));
      if (load_number<uint32_t>(end64.data()) != kEnd64Magic) return data_loss_at(end64_at, "no zip64 end record where its locator points");
      if (load_number<uint32_t>(locator.data() + 4) != 0 || load_number<uint32_t>(locator.data() + 16) > 1) {
        return unsupported("the archive is split over several files; join them first");
      }
      if (load_number<uint64_t>(end64.data() + 24) != load_number<uint64_t>(end64.data() + 32)) {
        return unsupported("the archive is split over several files; join them first");
      }
      end.count = load_number<uint64_t>(end64.data() + 32);
      end.size = load_number<uint64_t>(end64.data() + 40);
      end.offset = load_number<uint64_t>(end64.data() + 48);
      end.limit = end64_at;
      if (!wide && (end.count != fields.count || end.size != fields.size || end.offset != fields.offset)) {
        return data_loss_at(tail_at + at, "end record and zip64 end record name different directories");
      }
      return end;
    }
  }
  if (fields.disk != 0 || fields.directory_disk != 0 || fields.disk_count != fields.count) {
    return unsupported("the archive is split over several files; join them first");
  }
  return end;
}

}  // namespace

Result<ZipEnd> find_zip_end(const ByteSource& source, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(ZipEnd end, read_end(source));
  if (end.offset > end.limit || end.size != end.limit - end.offset) {
    return data_loss_at(end.limit, concat("central directory is said to take ", end.size, " bytes from byte ", end.offset,
                                          ", expected it to end here, where the end record begins"));
  }
  if (end.count > end.size / kZipCentralSize) {
    return data_loss_at(end.limit, concat(end.count, " members are announced, the central directory's ", end.size, " bytes hold at most ",
                                          end.size / kZipCentralSize));
  }
  if (end.count > limits.max_tensors) {
    return limit_exceeded(concat(end.count, " members exceed the limit of ", limits.max_tensors, " (max_tensors)"));
  }
  return end;
}

bool zip_lists(const ByteSource& source, std::string_view name_ending) {
  const auto end = read_end(source);
  if (!end.ok() || end->offset > end->limit || end->size > end->limit - end->offset) return false;
  const auto directory = source.view(end->offset, end->size);
  return directory.ok() && directory->text().find(name_ending) != std::string_view::npos;
}

}  // namespace ferry
