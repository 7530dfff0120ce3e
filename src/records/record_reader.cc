// Reading frames in order, through a window that moves along the stream. What is done about damage: recovery.cc
#include <algorithm>
#include <array>
#include <cstring>

#include "ferry/records.h"
#include "io/expansion.h"
#include "io/file_stream.h"
#include "records/compression.h"
#include "records/damage.h"
#include "records/tfrecord.h"

namespace ferry {
namespace {

using records::kFrameBytes;
using records::kHeaderBytes;

constexpr size_t kHeadBytes = 64;  // enough to tell the compression

// The bytes that were looked at, then the rest.
class PrefixedStream : public ByteStream {
 public:
  PrefixedStream(std::string prefix, std::unique_ptr<ByteStream> rest) : prefix_(std::move(prefix)), rest_(std::move(rest)) {}
  Result<size_t> read(std::span<std::byte> out) override {
    if (at_ == prefix_.size()) return rest_->read(out);
    const size_t size = std::min(out.size(), prefix_.size() - at_);
    std::memcpy(out.data(), prefix_.data() + at_, size);
    at_ += size;
    return size;
  }

 private:
  std::string prefix_;
  size_t at_ = 0;
  std::unique_ptr<ByteStream> rest_;
};

class CountingStream : public ByteStream {
 public:
  CountingStream(std::unique_ptr<ByteStream> inner, std::shared_ptr<uint64_t> count) : inner_(std::move(inner)), count_(std::move(count)) {}
  Result<size_t> read(std::span<std::byte> out) override {
    auto got = inner_->read(out);
    if (got.ok()) *count_ += *got;
    return got;
  }

 private:
  std::unique_ptr<ByteStream> inner_;
  std::shared_ptr<uint64_t> count_;
};

}  // namespace

Result<RecordReader> RecordReader::open(const std::string& path, RecordReadOptions options) {
  FERRY_ASSIGN_OR_RETURN(auto stream, open_stream(path));
  RecordReader out(path, std::move(options));
  if (stream->size()) out.reopen_ = [path] { return open_stream(path); };
  FERRY_RETURN_IF_ERROR(out.start_file(std::move(stream)));
  return out;
}

Result<RecordReader> RecordReader::over(std::unique_ptr<ByteStream> stream, std::string name, RecordReadOptions options) {
  RecordReader out(std::move(name), std::move(options));
  FERRY_RETURN_IF_ERROR(out.start(std::move(stream)));
  return out;
}

Result<RecordReader> RecordReader::over(std::shared_ptr<const ByteSource> source, RecordReadOptions options) {
  RecordReader out(std::string(source->name()), std::move(options));
  out.reopen_ = [source]() -> Result<std::unique_ptr<FileStream>> { return file_stream_of(source); };
  FERRY_ASSIGN_OR_RETURN(const Buffer head, source->view(0, std::min<uint64_t>(source->size(), kHeadBytes)));
  if (!source->in_memory() || record_compression_of(head.bytes()) != RecordCompression::none) {
    FERRY_RETURN_IF_ERROR(out.start_file(file_stream_of(std::move(source))));
    return out;
  }
  FERRY_ASSIGN_OR_RETURN(const Buffer all, source->view(0, source->size()));
  out.file_bytes_ = out.size_ = all.size();
  out.window_ = all.data();
  out.end_ = all.size();
  out.ended_ = true;
  out.source_ = std::move(source);
  return out;
}

Status RecordReader::start_file(std::unique_ptr<FileStream> stream) {
  if (!stream->size()) return start(std::move(stream));
  file_bytes_ = stream->size();
  file_ = stream.get();
  return start(std::move(stream));
}

Status RecordReader::start(std::unique_ptr<ByteStream> stream) {
  std::array<std::byte, kHeadBytes> head;
  size_t used = 0;
  while (used < head.size()) {
    FERRY_ASSIGN_OR_RETURN(const size_t got, stream->read(std::span(head).subspan(used)));
    if (got == 0) break;
    used += got;
  }
  compression_ = record_compression_of(std::span(head).first(used));
  if (file_ != nullptr) {
    FERRY_RETURN_IF_ERROR(file_->seek(0));
  } else {
    stream = std::make_unique<PrefixedStream>(std::string(reinterpret_cast<const char*>(head.data()), used), std::move(stream));
  }
  if (compression_ == RecordCompression::none) {
    size_ = file_bytes_;
  } else {
    consumed_ = std::make_shared<uint64_t>(0);
    stream = records::expand(std::make_unique<CountingStream>(std::move(stream), consumed_), compression_);
    file_ = nullptr;  // places in it are none of ours
  }
  stream_ = std::move(stream);
  begin_ = end_ = 0;
  here_ = 0;
  ended_ = false;
  stream_status_ = {};
  stream_status_told_ = false;
  return {};
}

uint64_t RecordReader::file_bytes_read() const { return consumed_ ? *consumed_ : here_; }

// What a file of known length still has; a file that grows meanwhile is read on.
uint64_t RecordReader::left() const { return size_ && here_ <= *size_ ? *size_ - here_ : UINT64_MAX; }

// Off the size from which blocks are of huge pages and kept: many readers are open at once.
size_t RecordReader::block_bytes() const { return std::clamp(options_.block_bytes, size_t{4} << 10, size_t{64} << 20) - kAlignment; }

// With room for a frame and a place in a file.
uint64_t RecordReader::longest() const { return std::min(options_.max_record_bytes, uint64_t{1} << 62); }

// The block grows with what arrives, so that an announced length costs nothing before it is true.
void RecordReader::fill_more(uint64_t wanted) {
  const auto end_with = [&](Status status) {
    stream_status_ = std::move(status);
    ended_ = true;
  };
  if (begin_ == end_) begin_ = end_ = 0;
  while (available() < wanted && !ended_) {
    if (begin_ > 0 && wanted > block_.size() - begin_) {
      std::memmove(block_.data(), block_.data() + begin_, available());
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == block_.size()) {
      if (Status status = block_.resize(block_.size() == 0 ? block_bytes() : 2 * block_.size()); !status.ok())
        return end_with(std::move(status));
      window_ = block_.data();
    }
    auto got = stream_->read({block_.data() + end_, block_.size() - end_});
    if (!got.ok()) return end_with(got.status());
    ended_ = *got == 0;
    end_ += *got;
    if (consumed_) {
      if (Status status = Expansion(options_.limits).check(*consumed_, here_ + available()); !status.ok())
        return end_with(std::move(status));
    }
  }
}

void RecordReader::consume(uint64_t bytes) {
  begin_ += static_cast<size_t>(bytes);
  here_ += bytes;
}

// Past bytes that nobody looks at. False where the stream ends before.
bool RecordReader::advance(uint64_t bytes) {
  if (const uint64_t had = std::min<uint64_t>(bytes, available()); had > 0) {
    consume(had);
    bytes -= had;
  }
  if (bytes == 0) return true;
  if (size_ && file_ && bytes > block_bytes()) {
    if (bytes > left()) return false;
    if (Status status = file_->seek(here_ + bytes); !status.ok()) {
      stream_status_ = std::move(status);
      ended_ = true;
      return false;
    }
    begin_ = end_ = 0;
    here_ += bytes;
    return true;
  }
  while (bytes > 0) {
    const uint64_t had = std::min<uint64_t>(bytes, fill(1));
    if (had == 0) return false;
    consume(had);
    bytes -= had;
  }
  return true;
}

bool RecordReader::next() {
  record_ = {};
  while (status_.ok()) {
    at_record_ = {here_, number_};
    size_t have = fill(kHeaderBytes);
    if (have < kHeaderBytes) [[unlikely]] {
      if (have == 0 && (stream_status_.ok() || stream_status_told_)) return false;
      if (!recover({Damage::Kind::cut_header, 0, have})) return false;
      continue;
    }
    const uint64_t size = records::frame_size(data());
    if (!records::header_fits(data())) [[unlikely]] {
      if (!recover({Damage::Kind::length, size, have})) return false;
      continue;
    }
    if (const uint64_t room = left(); room != UINT64_MAX && (room < kFrameBytes || size > room - kFrameBytes)) [[unlikely]] {
      if (!recover({Damage::Kind::cut_data, size, std::max<uint64_t>(room, kHeaderBytes) - kHeaderBytes})) return false;
      continue;
    }
    if (size > longest()) [[unlikely]] {
      if (!recover({Damage::Kind::too_long, size, have})) return false;
      continue;
    }
    record_bytes_ = size;
    if (options_.data == RecordReadOptions::Data::skipped) {
      if (!advance(size + kFrameBytes)) {
        if (!recover({Damage::Kind::cut_data, size, here_ - at_record_.offset - kHeaderBytes})) return false;
        continue;
      }
    } else {
      have = fill(size + kFrameBytes);
      if (have < size + kFrameBytes) [[unlikely]] {
        if (!recover({Damage::Kind::cut_data, size, have - kHeaderBytes})) return false;
        continue;
      }
      const std::byte* const bytes = data() + kHeaderBytes;
      if (options_.data == RecordReadOptions::Data::checked && !records::data_fits(bytes, size)) [[unlikely]] {
        if (!recover({Damage::Kind::data, size, have})) return false;
        continue;
      }
      record_ = {bytes, static_cast<size_t>(size)};
      consume(size + kFrameBytes);
    }
    ++number_;
    ++records_;
    return true;
  }
  return false;
}

}  // namespace ferry
