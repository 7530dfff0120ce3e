// Index files. Ours, all little endian:
//
//   offset  size         what
//   0       8            "FERRYIDX"
//   8       4            version: 1
//   12      4            flags: 1, the data's checksums held when it was made; 2, sizes follow the offsets
//   16      8            n: records
//   24      8            length of the file of records
//   32      4            masked crc32c of its first 64 KiB (or all of it)
//   36      4            masked crc32c of its last 64 KiB
//   40      8 (n + 1)    offset of each frame; the last is the end of the last one
//   ..      8 n          bytes of each frame, only where frames do not lie end to end
//   ..      4            masked crc32c of all the above
//
// docs/records.md
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "ferry/crc32c.h"
#include "ferry/records.h"
#include "io/file_stream.h"
#include "records/growing.h"
#include "records/tfrecord.h"

namespace ferry {
namespace {

using records::kFrameBytes;
using records::kHeaderBytes;

constexpr std::string_view kMagic = "FERRYIDX";
constexpr uint32_t kVersion = 1, kVerified = 1, kSized = 2;
constexpr size_t kHead = 40;
constexpr uint64_t kPrint = uint64_t{64} << 10;

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

// What tells one state of a file from another without reading all of it.
struct Fingerprint {
  uint64_t bytes = 0;
  uint32_t first = 0, last = 0;
  bool operator==(const Fingerprint&) const = default;
};

Result<Fingerprint> fingerprint_of(const ByteSource& source) {
  Fingerprint out;
  out.bytes = source.size();
  const uint64_t size = std::min(out.bytes, kPrint);
  FERRY_ASSIGN_OR_RETURN(const Buffer first, source.view(0, size));
  FERRY_ASSIGN_OR_RETURN(const Buffer last, source.view(out.bytes - size, size));
  out.first = mask_crc(crc32c(first.bytes()));
  out.last = mask_crc(crc32c(last.bytes()));
  return out;
}

Status stale(std::string_view why) {
  return invalid_argument(concat("the index was made for another state of the file: ", why, "; make it again: ferry record index"));
}

Status must_be_plain(const ByteSource& source) {
  FERRY_ASSIGN_OR_RETURN(const Buffer head, source.view(0, std::min<uint64_t>(source.size(), 64)));
  const RecordCompression compression = record_compression_of(head.bytes());
  if (compression == RecordCompression::none) return {};
  return unsupported(concat("the file is compressed (", compression_name(compression),
                            "), so no record can be reached without those before it; expand it first: ferry record cat IN -o OUT"));
}

Result<std::shared_ptr<const ByteSource>> open_plain(const std::string& path, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(auto source, open_source(path, {.limits = limits, .decompress = false}));
  FERRY_RETURN_IF_ERROR(must_be_plain(*source));
  return source;
}

struct Entries {
  Buffer offsets, sizes;
  uint64_t records = 0;
  bool verified = false;
};

Result<Entries> parse_ours(const Buffer& index, const Fingerprint& file) {
  if (index.size() < kHead + 8 + 4) return data_loss(concat("an index of ", index.size(), " bytes is cut off; the smallest has 52"));
  const std::byte* const at = index.data();
  if (const auto version = load<uint32_t>(at + 8); version != kVersion) {
    return unsupported(concat("the index is of version ", version, ", expected ", kVersion, "; make it again: ferry record index"));
  }
  const auto flags = load<uint32_t>(at + 12);
  const auto records = load<uint64_t>(at + 16);
  const uint64_t words = (index.size() - kHead - 4) / 8;
  const bool sized = (flags & kSized) != 0;
  // Compared without multiplying: n is from outside.
  const bool fits = (index.size() - kHead - 4) % 8 == 0 && (sized ? words % 2 == 1 && records == words / 2 : records == words - 1);
  if (!fits) return data_loss_at(16, concat("an index of ", records, " records would not have ", index.size(), " bytes"));
  if (load<uint32_t>(at + index.size() - 4) != mask_crc(crc32c({at, index.size() - 4}))) {
    return data_loss("the index does not fit its checksum; make it again: ferry record index");
  }
  const Fingerprint made_of{load<uint64_t>(at + 24), load<uint32_t>(at + 32), load<uint32_t>(at + 36)};
  if (made_of.bytes != file.bytes) return stale(concat("that had ", made_of.bytes, " bytes, this has ", file.bytes));
  if (made_of != file) return stale("its bytes differ");
  Entries out;
  out.records = records;
  out.verified = (flags & kVerified) != 0;
  FERRY_ASSIGN_OR_RETURN(out.offsets, index.slice(kHead, static_cast<size_t>(8 * (records + 1))).aligned(8));
  if (sized) {
    FERRY_ASSIGN_OR_RETURN(out.sizes,
                           index.slice(static_cast<size_t>(kHead + 8 * (records + 1)), static_cast<size_t>(8 * records)).aligned(8));
  }
  return out;
}

Result<Entries> parse_lines(std::string_view text, uint64_t file_bytes) {
  records::Growing<uint64_t> offsets, sizes;
  uint64_t line = 0, end = 0;
  bool end_to_end = true;
  for (size_t at = 0; at < text.size(); ++line) {
    const size_t stop = std::min(text.find('\n', at), text.size());
    const char* p = text.data() + at;
    const char* const last = text.data() + stop;
    const auto skip_space = [&] {
      while (p < last && (*p == ' ' || *p == '\t' || *p == '\r')) ++p;
    };
    const auto wrong = [&](std::string_view what) {
      return data_loss_at(
          at, concat("line ", line + 1, " of the index is ", quoted(text.substr(at, std::min<size_t>(stop - at, 60))), ", ", what));
    };
    uint64_t numbers[2];
    skip_space();
    if (p == last && stop == text.size()) break;  // behind the last line
    for (uint64_t& number : numbers) {
      skip_space();
      const auto [after, error] = std::from_chars(p, last, number);
      if (error != std::errc()) return wrong("expected the offset and the size of a record");
      p = after;
    }
    skip_space();
    if (p != last) return wrong("expected the offset and the size of a record");
    if (numbers[1] < kFrameBytes) return wrong("no record has less than 16 bytes with its frame");
    if (numbers[0] > file_bytes || numbers[1] > file_bytes - numbers[0]) {
      return stale(concat("line ", line + 1, " ends at byte ", numbers[0], " + ", numbers[1], ", the file at byte ", file_bytes));
    }
    end_to_end = end_to_end && numbers[0] == end;
    end = numbers[0] + numbers[1];
    FERRY_RETURN_IF_ERROR(offsets.append(numbers[0]));
    FERRY_RETURN_IF_ERROR(sizes.append(numbers[1]));
    at = stop + 1;
  }
  if (end_to_end && end < file_bytes) return stale(concat("its last record ends at byte ", end, ", the file at byte ", file_bytes));
  Entries out;
  out.records = sizes.size();
  FERRY_RETURN_IF_ERROR(offsets.append(end));
  out.offsets = std::move(offsets).freeze();
  if (!end_to_end) out.sizes = std::move(sizes).freeze();
  return out;
}

// Bytes that prove their own checksum may still have been made to lie.
Status check_entries(const Entries& entries, uint64_t file_bytes) {
  const auto offsets = entries.offsets.as<uint64_t>();
  const auto sizes = entries.sizes.as<uint64_t>();
  for (size_t i = 0; i < entries.records; ++i) {
    const uint64_t begin = offsets[i];
    bool good = begin <= file_bytes;
    if (!sizes.empty()) {
      good = good && sizes[i] >= kFrameBytes && sizes[i] <= file_bytes - begin;
    } else {
      good = good && offsets[i + 1] <= file_bytes && offsets[i + 1] >= begin && offsets[i + 1] - begin >= kFrameBytes;
    }
    if (!good) return data_loss(concat("the index places record ", i, " where it cannot be, at byte ", begin, " of ", file_bytes));
  }
  return {};
}

}  // namespace

std::string RecordIndex::path_of(const std::string& path, Spelling spelling) {
  return path + (spelling == Spelling::ours ? ".fidx" : ".idx");
}

Result<RecordIndex> RecordIndex::parse(std::shared_ptr<const ByteSource> source, Buffer index) {
  FERRY_RETURN_IF_ERROR(must_be_plain(*source));
  Entries entries;
  if (index.text().starts_with(kMagic)) {
    FERRY_ASSIGN_OR_RETURN(const Fingerprint file, fingerprint_of(*source));
    FERRY_ASSIGN_OR_RETURN(entries, parse_ours(index, file));
  } else {
    FERRY_ASSIGN_OR_RETURN(entries, parse_lines(index.text(), source->size()));
  }
  FERRY_RETURN_IF_ERROR(check_entries(entries, source->size()));
  RecordIndex out;
  out.source_ = std::move(source);
  out.offsets_ = std::move(entries.offsets);
  out.sizes_ = std::move(entries.sizes);
  out.records_ = entries.records;
  out.verified_ = entries.verified;
  return out;
}

Result<RecordIndex> RecordIndex::open(const std::string& path, const std::string& index_path, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(auto source, open_plain(path, limits));
  const auto from = [&](const std::string& name) -> Result<RecordIndex> {
    FERRY_ASSIGN_OR_RETURN(auto index, open_source(name, {.limits = limits, .decompress = false}));
    FERRY_ASSIGN_OR_RETURN(Buffer bytes, index->view(0, index->size()));
    auto out = parse(source, std::move(bytes));
    if (!out.ok()) return out.status().nested(name);
    out->index_path_ = name;
    return out;
  };
  if (!index_path.empty()) {
    auto out = from(index_path);
    return !out.ok() && out.status().code() == StatusCode::not_found ? out.status().with_context(index_path) : std::move(out);
  }
  for (const Spelling spelling : {Spelling::ours, Spelling::lines}) {
    auto out = from(path_of(path, spelling));
    if (out.ok() || out.status().code() != StatusCode::not_found) return out;
  }
  return not_found(concat("there is no index beside it (", path_of(path, Spelling::ours), " or .idx); make one: ferry record index"));
}

Result<RecordIndex> RecordIndex::build(std::shared_ptr<const ByteSource> source, const Options& options) {
  RecordReadOptions reading{.limits = options.limits, .max_record_bytes = options.max_record_bytes, .on_damage = options.on_damage};
  reading.data = options.verify ? RecordReadOptions::Data::checked : RecordReadOptions::Data::skipped;
  FERRY_ASSIGN_OR_RETURN(RecordReader in, RecordReader::over(source, std::move(reading)));
  return build(std::move(in), std::move(source), options);
}

Result<RecordIndex> RecordIndex::build(const std::string& path, const Options& options) {
  FERRY_ASSIGN_OR_RETURN(auto source, open_plain(path, options.limits));
  RecordReadOptions reading{.limits = options.limits, .max_record_bytes = options.max_record_bytes, .on_damage = options.on_damage};
  reading.data = options.verify ? RecordReadOptions::Data::checked : RecordReadOptions::Data::skipped;
  // In order through a small window, not through the map: memory stays small.
  FERRY_ASSIGN_OR_RETURN(RecordReader in, RecordReader::open(path, std::move(reading)));
  return build(std::move(in), std::move(source), options);
}

Result<RecordIndex> RecordIndex::build(RecordReader in, std::shared_ptr<const ByteSource> source, const Options& options) {
  FERRY_RETURN_IF_ERROR(must_be_plain(*source));
  records::Growing<uint64_t> offsets, sizes;
  uint64_t end = 0;
  bool end_to_end = true;
  while (in.next()) {
    const uint64_t begin = in.offset();
    if (begin != end && end_to_end) {
      end_to_end = false;
      for (size_t i = 0; i < offsets.size(); ++i) {
        FERRY_RETURN_IF_ERROR(sizes.append((i + 1 < offsets.size() ? offsets.data()[i + 1] : end) - offsets.data()[i]));
      }
    }
    end = begin + in.record_bytes() + kFrameBytes;
    FERRY_RETURN_IF_ERROR(offsets.append(begin));
    if (!end_to_end) FERRY_RETURN_IF_ERROR(sizes.append(end - begin));
    if (options.progress && in.records() % 1024 == 0) options.progress(end);
  }
  FERRY_RETURN_IF_ERROR(in.status());
  RecordIndex out;
  out.records_ = offsets.size();
  FERRY_RETURN_IF_ERROR(offsets.append(end));
  out.source_ = std::move(source);
  out.max_record_bytes_ = options.max_record_bytes;
  out.offsets_ = std::move(offsets).freeze();
  if (!end_to_end) out.sizes_ = std::move(sizes).freeze();
  out.built_ = true;
  out.verified_ = options.verify;
  return out;
}

Result<RecordIndex> RecordIndex::open_or_build(const std::string& path, const Options& options) {
  auto out = open(path, "", options.limits);
  if (out.ok() || out.status().code() != StatusCode::not_found) return out;
  return build(path, options);  // says so where it is the file that is not found
}

RecordIndex::Extent RecordIndex::extent(uint64_t i) const {
  FERRY_ASSERT(i < records_);
  const auto offsets = offsets_.as<uint64_t>();
  return {offsets[i], sizes_.empty() ? offsets[i + 1] - offsets[i] : sizes_.as<uint64_t>()[i]};
}

// The data within a frame that was read.
static Result<std::span<const std::byte>> data_of(std::span<const std::byte> frame, uint64_t number, uint64_t offset) {
  const auto context = [&](std::string message) { return data_loss_at(offset, concat("record ", number, ": ", message)); };
  if (!records::header_fits(frame.data())) return context("no frame begins where the index says so; the file is damaged or has changed");
  const uint64_t size = records::frame_size(frame.data());
  if (size != frame.size() - kFrameBytes) {
    return context(concat("has ", size, " bytes, ", frame.size() - kFrameBytes, " by the index; the file has changed"));
  }
  if (!records::data_fits(frame.data() + kHeaderBytes, size)) return data_loss_at(offset + kHeaderBytes, records::bad_data(number, size));
  return frame.subspan(kHeaderBytes, static_cast<size_t>(size));
}

Result<RecordIndex::Extent> RecordIndex::find(uint64_t i) const {
  if (i >= records_) return invalid_argument(concat("record ", i, " is asked for, there are ", records_));
  const Extent at = extent(i);
  const uint64_t size = at.bytes - kFrameBytes, most = max_record_bytes_;
  if (size > most) return limit_exceeded(concat("record ", i, " has ", size, " bytes, the limit is ", most, " (max_record_bytes)"));
  return at;
}

Result<Buffer> RecordIndex::read(uint64_t i) const {
  FERRY_ASSIGN_OR_RETURN(const Extent at, find(i));
  FERRY_ASSIGN_OR_RETURN(const Buffer frame, source_->view(at.offset, at.bytes));
  FERRY_ASSIGN_OR_RETURN(const auto data, data_of(frame.bytes(), i, at.offset));
  return frame.slice(kHeaderBytes, data.size());
}

Result<std::span<const std::byte>> RecordIndex::read(uint64_t i, MutableBuffer& block) const {
  FERRY_ASSIGN_OR_RETURN(const Extent at, find(i));
  if (block.size() < at.bytes) FERRY_RETURN_IF_ERROR(block.resize(static_cast<size_t>(std::max<uint64_t>(at.bytes, 2 * block.size()))));
  const std::span<std::byte> frame(block.data(), static_cast<size_t>(at.bytes));
  FERRY_RETURN_IF_ERROR(source_->read_at(at.offset, frame));
  return data_of(frame, i, at.offset);
}

Status RecordIndex::write(ByteSink& sink, Spelling spelling) const {
  if (spelling == Spelling::lines) {
    std::string text;
    for (uint64_t i = 0; i < records_; ++i) {
      const Extent at = extent(i);
      text += concat(at.offset, " ", at.bytes, "\n");
      if (text.size() > (64 << 10)) {
        FERRY_RETURN_IF_ERROR(sink.write(text));
        text.clear();
      }
    }
    return sink.write(text);
  }
  FERRY_ASSIGN_OR_RETURN(const Fingerprint file, fingerprint_of(*source_));
  std::array<std::byte, kHead> head;
  const auto put = [&](size_t at, auto value) { std::memcpy(head.data() + at, &value, sizeof(value)); };
  std::memcpy(head.data(), kMagic.data(), kMagic.size());
  put(8, kVersion);
  put(12, (verified_ ? kVerified : 0) | (sizes_.empty() ? 0 : kSized));
  put(16, records_);
  put(24, file.bytes);
  put(32, file.first);
  put(36, file.last);
  uint32_t crc = 0;
  for (const std::span<const std::byte> part : {std::span<const std::byte>(head), offsets_.bytes(), sizes_.bytes()}) {
    crc = crc32c(part, crc);
    FERRY_RETURN_IF_ERROR(sink.write(part));
  }
  crc = mask_crc(crc);
  return sink.write(std::as_bytes(std::span(&crc, 1)));
}

Status RecordIndex::save(const std::string& index_path, Spelling spelling) const {
  FERRY_ASSIGN_OR_RETURN(auto sink, open_plain_sink(index_path));
  FERRY_RETURN_IF_ERROR(write(*sink, spelling));
  return sink->close();
}

}  // namespace ferry
