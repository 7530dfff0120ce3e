#include <algorithm>

#include "io/zip.h"
#include "io/zip_end.h"

namespace ferry {
namespace {

constexpr uint16_t kNotRead = kZipEncrypted | kZipPatched | kZipStrong | kZipMasked;

// ASCII without NUL: such a name is what it seems in every code page.
bool is_plain(std::string_view text) {
  constexpr uint64_t kHigh = 0x8080808080808080, kOnes = 0x0101010101010101;
  size_t i = 0;
  uint64_t bad = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    bad |= word | (word - kOnes);  // the subtraction sets the highest bit of the lowest byte that is zero
  }
  for (; i < text.size(); ++i) bad |= text[i] <= 0 ? kHigh : 0;
  return (bad & kHigh) == 0;
}

}  // namespace

Result<std::optional<ZipIndex>> ZipIndex::open(std::shared_ptr<const ByteSource> source, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(ZipEnd end, find_zip_end(*source, limits));
  ZipIndex out;
  out.source_ = std::move(source);
  out.limits_ = limits;
  out.offset_ = end.offset;
  out.comment_ = std::move(end.comment);
  FERRY_ASSIGN_OR_RETURN(out.directory_, out.source_->view(end.offset, end.size));
  if (end.size > UINT32_MAX || !out.scan(end.count)) return std::optional<ZipIndex>();
  return std::optional<ZipIndex>(std::move(out));
}

bool ZipIndex::scan(uint64_t count) {
  const std::byte* const begin = directory_.data();
  const uint64_t size = directory_.size();
  entries_.resize(count);
  slots_ = NameSlots(count);
  uint64_t at = 0, free = 0;  // in the directory; in the file
  for (size_t i = 0; i < count; ++i) {
    if (size - at < kZipCentralSize) return false;
    const std::byte* const p = begin + at;
    const auto name_size = load_number<uint16_t>(p + 28), extra = load_number<uint16_t>(p + 30), comment = load_number<uint16_t>(p + 32);
    const uint64_t entry = kZipCentralSize + name_size + extra + comment;
    const auto packed = load_number<uint32_t>(p + 20), unpacked = load_number<uint32_t>(p + 24), header = load_number<uint32_t>(p + 42);
    const bool stored = load_number<uint16_t>(p + 10) == static_cast<uint16_t>(ZipMethod::stored);
    if (load_number<uint32_t>(p) != kZipCentralMagic || (load_number<uint16_t>(p + 8) & kNotRead) != 0 || size - at < entry ||
        packed == kZipNone32 || unpacked == kZipNone32 || header == kZipNone32 || load_number<uint16_t>(p + 34) != 0 ||
        (stored && packed != unpacked) || name_size > limits_.max_name_bytes || header < free) {
      return false;
    }
    free = header + kZipLocalSize + name_size + packed;
    const std::string_view name(reinterpret_cast<const char*>(p + kZipCentralSize), name_size);
    if (!is_plain(name) || slots_.add(i, name, [this](size_t k) { return this->name(k); }) != NameSlots::kNone) return false;
    entries_[i] = static_cast<uint32_t>(at);
    at += entry;
  }
  return at == size && free <= offset_;
}

std::string_view ZipIndex::name(size_t member) const {
  const size_t at = entries_[member];
  // The directory may be a mapped file that somebody has written to since.
  const size_t size = std::min<size_t>(load_number<uint16_t>(directory_.data() + at + 28), directory_.size() - at - kZipCentralSize);
  return {reinterpret_cast<const char*>(directory_.data() + at + kZipCentralSize), size};
}

size_t ZipIndex::find(std::string_view name) const {
  return slots_.find(name, [this](size_t k) { return this->name(k); });
}

Result<ZipReader> ZipIndex::only(size_t member) const {
  const bool last = member + 1 == entries_.size();
  const uint64_t at = entries_[member], end = last ? directory_.size() : entries_[member + 1];
  const uint64_t next = last ? offset_ : load_number<uint32_t>(directory_.data() + end + 42);
  ZipReader reader;
  reader.source_ = source_;
  reader.limits_ = limits_;
  FERRY_RETURN_IF_ERROR(reader.read_directory(offset_ + at, end - at, 1, std::min(next, offset_)));
  return reader;
}

}  // namespace ferry
