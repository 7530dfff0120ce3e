// TFRecord: byte strings one after another, each in a frame that says its length and proves its bytes.
//
//   offset  size  what
//   0       8     length of the data, little endian
//   8       4     masked crc32c of those eight bytes
//   12      n     data
//   12 + n  4     masked crc32c of the data
//
// No header, no index, no end mark: a file of no records is empty. docs/formats/tfrecord.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ferry/io.h"
#include "ferry/status.h"

namespace ferry::records {

inline constexpr size_t kHeaderBytes = 12, kFooterBytes = 4, kFrameBytes = kHeaderBytes + kFooterBytes;

// ---- The fields of a frame

// Of kHeaderBytes that may lie anywhere.
uint64_t frame_size(const std::byte* header);
bool header_fits(const std::byte* header);
// Of the data and the checksum behind it.
bool data_fits(const std::byte* data, uint64_t size);

// What is said of damage, whoever reads.
std::string cut_header(uint64_t number, uint64_t found);
std::string bad_length(uint64_t number, uint64_t size);
std::string cut_data(uint64_t number, uint64_t size, uint64_t found);
std::string bad_data(uint64_t number, uint64_t size);

// ---- Reading

// Whether the bytes begin with a frame: the length's checksum fits. One in 2^32 random strings does.
bool starts_with_frame(std::span<const std::byte> head);

// Over bytes in memory, for formats; files and streams: ferry/records.h. The first error stays and ends the loop; it names the record and
// the offset.
//   while (in.next()) use(in.data());
//   FERRY_RETURN_IF_ERROR(in.status());
// Not thread-safe; data() is a view into the bytes given.
class FrameReader {
 public:
  enum class Checksums : uint8_t { all, lengths };
  explicit FrameReader(std::span<const std::byte> bytes, Checksums checksums = Checksums::all) : bytes_(bytes), checksums_(checksums) {}

  bool next();
  std::span<const std::byte> data() const { return data_; }
  uint64_t number() const { return count_ - 1; }  // of the record, from 0
  uint64_t offset() const { return frame_at_; }   // of its frame
  uint64_t data_offset() const { return frame_at_ + kHeaderBytes; }
  uint64_t count() const { return count_; }  // records so far
  bool data_is_intact() const;               // for Checksums::lengths
  Status damaged() const;                    // what to say where it is not
  const Status& status() const { return status_; }

 private:
  bool fail(uint64_t at, std::string message);
  std::span<const std::byte> bytes_, data_;
  uint64_t at_ = 0, frame_at_ = 0, count_ = 0;
  Checksums checksums_;
  Status status_;
};

// ---- Writing

void put_header(char* at, uint64_t size);                    // kHeaderBytes
void put_footer(char* at, std::span<const std::byte> data);  // kFooterBytes
void append_record(std::string& out, std::string_view data);
Status write_record(ByteSink& sink, std::span<const std::byte> data);

}  // namespace ferry::records
