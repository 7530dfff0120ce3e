#include "records/tfrecord.h"

#include <algorithm>
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
bool header_fits(const std::byte* at) { return load<uint32_t>(at + 8) == masked({at, 8}); }

std::string cut_header(uint64_t number, uint64_t found) {
  return concat("record ", number, ": the file ends after ", found, " bytes of its ", kHeaderBytes, "-byte header");
}
std::string bad_length(uint64_t number, const std::byte* at) {
  return concat("record ", number, ": its length, ", load<uint64_t>(at), ", does not fit its checksum",
                number == 0 ? "; this is no TFRecord file, or its first bytes are damaged" : "; the file is damaged here");
}
std::string cut_data(uint64_t number, uint64_t size, uint64_t found) {
  return concat("record ", number, ": ", size, " bytes and a checksum are announced, only ", found, " bytes remain; the file is cut off");
}
std::string bad_data(uint64_t number, uint64_t size) {
  return concat("record ", number, ": its ", size, " bytes do not fit their checksum; the record is damaged");
}

}  // namespace

bool starts_with_frame(std::span<const std::byte> head) { return head.size() >= kHeaderBytes && header_fits(head.data()); }

bool RecordReader::fail(uint64_t at, std::string message) {
  status_ = data_loss_at(at, std::move(message));
  data_ = {};
  return false;
}

bool RecordReader::next() {
  if (!status_.ok() || at_ == bytes_.size()) return false;
  const std::byte* const at = bytes_.data() + at_;
  const uint64_t left = bytes_.size() - at_;
  frame_at_ = at_;
  if (left < kHeaderBytes) return fail(at_, cut_header(count_, left));
  if (!header_fits(at)) return fail(at_, bad_length(count_, at));
  const uint64_t size = load<uint64_t>(at);
  if (left < kFrameBytes || size > left - kFrameBytes) return fail(at_, cut_data(count_, size, left - kHeaderBytes));
  data_ = {at + kHeaderBytes, static_cast<size_t>(size)};
  if (checksums_ == Checksums::all && !data_is_intact()) return fail(data_offset(), bad_data(count_, size));
  at_ += kFrameBytes + size;
  ++count_;
  return true;
}

bool RecordReader::data_is_intact() const { return load<uint32_t>(data_.data() + data_.size()) == masked(data_); }
Status RecordReader::damaged() const { return data_loss_at(data_offset(), bad_data(number(), data_.size())); }

bool RecordStream::fail(uint64_t at, std::string message) {
  status_ = data_loss_at(at, std::move(message));
  data_size_ = 0;
  return false;
}

// Grows with what arrives, so that an announced length costs nothing before it is true.
Result<size_t> RecordStream::fill(size_t wanted) {
  constexpr size_t kChunk = size_t{256} << 10;
  while (end_ - begin_ < wanted && !ended_) {
    if (begin_ > 0) {
      std::memmove(block_.data(), block_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == block_.size()) FERRY_RETURN_IF_ERROR(block_.resize(std::max(kChunk, 2 * block_.size())));
    FERRY_ASSIGN_OR_RETURN(const size_t got, in_->read({block_.data() + end_, block_.size() - end_}));
    ended_ = got == 0;
    end_ += got;
  }
  return end_ - begin_;
}

bool RecordStream::next() {
  if (!status_.ok()) return false;
  frame_at_ = at_;
  const auto there = fill(kHeaderBytes);
  if (!there.ok()) {
    status_ = there.status().with_context(concat("record ", count_));
    return false;
  }
  if (*there == 0) return false;
  if (*there < kHeaderBytes) return fail(at_, cut_header(count_, *there));
  if (!header_fits(block_.data() + begin_)) return fail(at_, bad_length(count_, block_.data() + begin_));
  const uint64_t size = load<uint64_t>(block_.data() + begin_);
  if (size > limits_.max_tensor_bytes) {
    status_ = limit_exceeded(concat("record ", count_, " has ", size, " bytes, the limit is ", limits_.max_tensor_bytes));
    return false;
  }
  const auto whole = fill(static_cast<size_t>(size) + kFrameBytes);
  if (!whole.ok()) {
    status_ = whole.status().with_context(concat("record ", count_));
    return false;
  }
  if (*whole < size + kFrameBytes) return fail(at_, cut_data(count_, size, *whole - kHeaderBytes));
  data_at_ = begin_ + kHeaderBytes;
  data_size_ = static_cast<size_t>(size);
  if (load<uint32_t>(block_.data() + data_at_ + data_size_) != masked(data())) return fail(at_ + kHeaderBytes, bad_data(count_, size));
  begin_ += kFrameBytes + data_size_;
  at_ += kFrameBytes + size;
  ++count_;
  return true;
}

void put_header(char* at, uint64_t size) {
  std::memcpy(at, &size, 8);
  const uint32_t crc = masked(std::as_bytes(std::span(at, 8)));
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
