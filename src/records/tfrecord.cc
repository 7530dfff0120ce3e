#include "records/tfrecord.h"

#include <cstring>

#include "ferry/crc32c.h"

namespace ferry::records {
namespace {

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

uint32_t masked(std::span<const std::byte> bytes) { return mask_crc(crc32c(bytes)); }
}  // namespace

uint64_t frame_size(const std::byte* header) { return load<uint64_t>(header); }
bool header_fits(const std::byte* header) { return load<uint32_t>(header + 8) == mask_crc(crc32c_word(frame_size(header))); }
bool data_fits(const std::byte* data, uint64_t size) { return load<uint32_t>(data + size) == masked({data, static_cast<size_t>(size)}); }

std::string cut_header(uint64_t number, uint64_t found) {
  return concat("record ", number, ": the file ends after ", found, " bytes of its ", kHeaderBytes, "-byte header");
}
std::string bad_length(uint64_t number, uint64_t size) {
  return concat("record ", number, ": its length, ", size, ", does not fit its checksum",
                number == 0 ? "; this is no TFRecord file, or its first bytes are damaged" : "; the file is damaged here");
}
std::string cut_data(uint64_t number, uint64_t size, uint64_t found) {
  return concat("record ", number, ": ", size, " bytes and a checksum are announced, only ", found, " bytes remain; the file is cut off");
}
std::string bad_data(uint64_t number, uint64_t size) {
  return concat("record ", number, ": its ", size, " bytes do not fit their checksum; the record is damaged");
}

bool starts_with_frame(std::span<const std::byte> head) { return head.size() >= kHeaderBytes && header_fits(head.data()); }

bool FrameReader::fail(uint64_t at, std::string message) {
  status_ = data_loss_at(at, std::move(message));
  data_ = {};
  return false;
}

bool FrameReader::next() {
  if (!status_.ok() || at_ == bytes_.size()) return false;
  const std::byte* const at = bytes_.data() + at_;
  const uint64_t left = bytes_.size() - at_;
  frame_at_ = at_;
  if (left < kHeaderBytes) return fail(at_, cut_header(count_, left));
  if (!header_fits(at)) return fail(at_, bad_length(count_, frame_size(at)));
  const uint64_t size = frame_size(at);
  if (left < kFrameBytes || size > left - kFrameBytes) return fail(at_, cut_data(count_, size, left - kHeaderBytes));
  data_ = {at + kHeaderBytes, static_cast<size_t>(size)};
  if (checksums_ == Checksums::all && !data_is_intact()) return fail(data_offset(), bad_data(count_, size));
  at_ += kFrameBytes + size;
  ++count_;
  return true;
}

bool FrameReader::data_is_intact() const { return data_fits(data_.data(), data_.size()); }
Status FrameReader::damaged() const { return data_loss_at(data_offset(), bad_data(number(), data_.size())); }

void put_header(char* at, uint64_t size) {
  std::memcpy(at, &size, 8);
  const uint32_t crc = mask_crc(crc32c_word(size));
  std::memcpy(at + 8, &crc, 4);
}

void put_footer(char* at, std::span<const std::byte> data) {
  const uint32_t crc = masked(data);
  std::memcpy(at, &crc, 4);
}

void append_record(std::string& out, std::string_view data) {
  char header[kHeaderBytes], footer[kFooterBytes];
  put_header(header, data.size());
  put_footer(footer, std::as_bytes(std::span(data)));
  out.append(header, kHeaderBytes).append(data).append(footer, kFooterBytes);
}

Status write_record(ByteSink& sink, std::span<const std::byte> data) {
  char header[kHeaderBytes], footer[kFooterBytes];
  put_header(header, data.size());
  put_footer(footer, data);
  FERRY_RETURN_IF_ERROR(sink.write(std::string_view(header, kHeaderBytes)));
  FERRY_RETURN_IF_ERROR(sink.write(data));
  return sink.write(std::string_view(footer, kFooterBytes));
}

}  // namespace ferry::records
