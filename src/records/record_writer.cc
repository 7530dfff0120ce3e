#include <algorithm>
#include <cstring>

#include "ferry/records.h"
#include "io/file_stream.h"
#include "records/compression.h"
#include "records/tfrecord.h"

namespace ferry {
namespace {

constexpr size_t kBlock = size_t{256} << 10;

}  // namespace

Result<RecordWriter> RecordWriter::open(const std::string& path, const RecordWriteOptions& options) {
  FERRY_ASSIGN_OR_RETURN(auto sink, open_plain_sink(path));
  return over(std::move(sink), options.compression.value_or(record_compression_for(path)), options.level);
}

RecordWriter RecordWriter::over(std::unique_ptr<ByteSink> sink, RecordCompression compression, int level) {
  RecordWriter out;
  out.sink_ = records::compress(std::move(sink), compression, level);
  return out;
}

Status RecordWriter::send() {
  if (status_.ok() && used_ > 0) status_ = sink_->write(std::span<const std::byte>(block_.data(), used_));
  used_ = 0;
  return status_;
}

Status RecordWriter::write(std::span<const std::byte> record) {
  if (!status_.ok()) return status_;
  const size_t size = record.size() + records::kFrameBytes;
  if (size < kBlock) {
    if (block_.size() - used_ < size) {
      FERRY_RETURN_IF_ERROR(send());
      if (block_.size() == 0) FERRY_RETURN_IF_ERROR(block_.resize(kBlock));
    }
    char* const at = reinterpret_cast<char*>(block_.data()) + used_;
    records::put_header(at, record.size());
    if (!record.empty()) std::memcpy(at + records::kHeaderBytes, record.data(), record.size());
    records::put_footer(at + records::kHeaderBytes + record.size(), record);
    used_ += size;
  } else {
    FERRY_RETURN_IF_ERROR(send());
    status_ = records::write_record(*sink_, record);
    if (!status_.ok()) return status_;
  }
  bytes_ += size;
  ++records_;
  return {};
}

Status RecordWriter::flush() {
  FERRY_RETURN_IF_ERROR(send());
  return status_ = ferry::flush(*sink_);
}

Status RecordWriter::close() {
  FERRY_RETURN_IF_ERROR(send());
  status_ = sink_->close();
  if (!status_.ok()) return status_;
  sink_ = nullptr;
  status_ = invalid_argument("the writer is closed");
  return {};
}

}  // namespace ferry
