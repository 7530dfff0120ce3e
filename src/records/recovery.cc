// Where a frame is damaged: what to say, and where the next good one begins.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "ferry/crc32c.h"
#include "io/file_stream.h"
#include "records/damage.h"
#include "records/tfrecord.h"

namespace ferry {
namespace {

using records::kFrameBytes;
using records::kHeaderBytes;

// A length that its checksum denies is believed no further than this.
constexpr uint64_t kMostGuessed = uint64_t{64} << 20;
// Checksums computed for frames that turn out to be none may cost as much as reading the stream so many times; only bytes made for
// the purpose announce so many false frames. What is beyond is no frame, but for small ones, which are always looked at.
constexpr uint64_t kGuessesPerByte = 8, kFreeGuesses = uint64_t{64} << 20, kSmallGuess = 4096;

// A header in which one byte of the length was changed: the lengths that fit the checksum.
template <class F>
bool any_mended_length(const std::byte* header, F&& accept) {
  const uint64_t length = records::frame_size(header);
  uint32_t stored;
  std::memcpy(&stored, header + 8, 4);
  for (int shift = 0; shift < 64; shift += 8) {
    for (uint64_t change = 1; change < 256; ++change) {
      const uint64_t mended = length ^ (change << shift);
      if (mask_crc(crc32c_word(mended)) == stored && accept(mended)) return true;
    }
  }
  return false;
}

}  // namespace

Status RecordReader::reason_of(const Damage& damage) const {
  std::string message;
  uint64_t at = at_record_.offset;
  switch (damage.kind) {
    case Damage::Kind::cut_header: message = records::cut_header(number_, damage.found); break;
    case Damage::Kind::length: message = records::bad_length(number_, damage.size); break;
    case Damage::Kind::too_long: {
      const Status limit = limit_exceeded(
          concat("record ", number_, " has ", damage.size, " bytes, the limit is ", options_.max_record_bytes, " (max_record_bytes)"));
      return Status(limit.code(), std::string(limit.message()), at);
    }
    case Damage::Kind::cut_data: message = records::cut_data(number_, damage.size, damage.found); break;
    case Damage::Kind::data:
      message = records::bad_data(number_, damage.size);
      at += kHeaderBytes;
      break;
  }
  if (compression_ != RecordCompression::none) message += " (the offset counts expanded bytes)";
  return data_loss_at(at, std::move(message));
}

// True: go on reading here. False: status_ says why not.
bool RecordReader::recover(const Damage& damage) {
  Status reason;
  const bool stream_failed = !stream_status_.ok() && !stream_status_told_ && damage.kind != Damage::Kind::length &&
                             damage.kind != Damage::Kind::data && damage.kind != Damage::Kind::too_long;
  if (stream_failed) {
    // A compressed stream that is damaged or cut: what came out of it before has been read.
    const auto at = stream_status_.offset();
    reason =
        Status(stream_status_.code(),
               concat("record ", number_, ": ", stream_status_.message(), at ? concat(", at byte ", *at, " of the compressed file") : ""),
               at_record_.offset);
    stream_status_told_ = true;
  } else {
    reason = reason_of(damage);
  }
  const bool of_the_data = reason.code() == StatusCode::data_loss || damage.kind == Damage::Kind::too_long;
  if (!options_.on_damage || !of_the_data) {
    status_ = std::move(reason);
    return false;
  }
  SkippedRegion region{.begin = at_record_.offset, .end = 0, .records = std::nullopt, .reason = std::move(reason)};
  if (pass_damaged(damage)) {
    region.records = 1;
  } else {
    scan(damage.kind == Damage::Kind::length ? 1 : kHeaderBytes);
  }
  region.end = here_;
  ++number_;
  ++regions_;
  bytes_skipped_ += region.end - region.begin;
  if (options_.on_damage(region)) return true;
  status_ = std::move(region.reason);
  return false;
}

// One damaged frame between whole ones: goes to its end where that is certain. Frames that lie within its data (records may hold
// TFRecords themselves) are then not taken for records.
bool RecordReader::pass_damaged(const Damage& damage) {
  switch (damage.kind) {
    case Damage::Kind::cut_header:
    case Damage::Kind::cut_data: return false;
    case Damage::Kind::data: {
      const uint64_t end = damage.size + kFrameBytes;
      if (!is_boundary(end, false)) return false;
      consume(end);
      return true;
    }
    case Damage::Kind::too_long: {
      // In a file one can look behind it without reading it.
      if (!size_ || !file_ || left() < kFrameBytes || damage.size > left() - kFrameBytes) return false;
      const RecordPlace begin = at_record_;
      if (advance(damage.size + kFrameBytes) && is_boundary(0, false)) return true;
      const uint64_t number = number_;
      (void)seek(begin);
      number_ = number;
      return false;
    }
    case Damage::Kind::length: {
      const auto ends_there = [&](uint64_t size) {
        if (size > std::min(kMostGuessed, longest())) return false;
        const uint64_t end = size + kFrameBytes;
        if (end > left() || guess_costs(size) || fill(end) < end) return false;
        if (!records::data_fits(data() + kHeaderBytes, size) && !is_boundary(end, true)) return false;
        consume(end);
        return true;
      };
      std::array<std::byte, kHeaderBytes> header;  // a copy: the window moves
      std::memcpy(header.data(), data(), kHeaderBytes);
      return ends_there(damage.size) || any_mended_length(header.data(), ends_there);
    }
  }
  __builtin_unreachable();
}

// Whether a frame begins so many bytes on, or the stream ends there.
bool RecordReader::is_boundary(uint64_t at, bool whole) {
  const size_t have = fill(at + kHeaderBytes);
  if (have == at) return stream_status_.ok();
  if (have < at + kHeaderBytes) return false;
  return whole ? frame_is_whole(at) : records::header_fits(data() + at);
}

bool RecordReader::guess_costs(uint64_t bytes) {
  if (bytes <= kSmallGuess) return false;
  if (guessed_ + bytes > kFreeGuesses + kGuessesPerByte * (here_ + available() + bytes)) return true;
  guessed_ += bytes;
  return false;
}

bool RecordReader::frame_is_whole(uint64_t at) {
  if (fill(at + kHeaderBytes) < at + kHeaderBytes || !records::header_fits(data() + at)) return false;
  const uint64_t size = records::frame_size(data() + at);
  if (size > longest()) return false;
  const uint64_t end = at + size + kFrameBytes;
  if (end > left() || guess_costs(size) || fill(end) < end) return false;
  return records::data_fits(data() + at + kHeaderBytes, size);
}

// From so many bytes on to the next whole frame, or to the end of the stream. What has been looked at is let go, so that memory
// stays small.
void RecordReader::scan(uint64_t at) {
  const uint64_t most = longest();
  for (;;) {
    if (available() < at + kFrameBytes) {
      const uint64_t seen = std::min<uint64_t>(at, available());
      consume(seen);
      at -= seen;
      if (fill(at + kFrameBytes) < at + kFrameBytes) return consume(available());
    }
    const std::byte* const bytes = data();
    const uint64_t last = available() - kFrameBytes;
    while (at <= last && (records::frame_size(bytes + at) > most || !records::header_fits(bytes + at))) ++at;
    if (at > last) continue;
    if (frame_is_whole(at)) return consume(at);
    ++at;
  }
}

Status RecordReader::seek(RecordPlace to) {
  record_ = {};
  status_ = {};
  stream_status_told_ = false;
  const uint64_t first = here_ - begin_;  // of what the window still holds
  if (to.offset >= first && to.offset <= here_ + available()) {
    begin_ = static_cast<size_t>(to.offset - first);
  } else if (size_) {
    if (to.offset > *size_) {
      return invalid_argument(concat("record ", to.number, " is looked for at byte ", to.offset, ", the file ends at byte ", *size_,
                                     "; it has changed since the place was noted"));
    }
    FERRY_RETURN_IF_ERROR(file_->seek(to.offset));
    begin_ = end_ = 0;
    ended_ = false;
    stream_status_ = {};
  } else {
    if (to.offset < here_) {
      if (!reopen_) return unsupported("a pipe cannot be read again from a place before");
      FERRY_ASSIGN_OR_RETURN(auto stream, reopen_());
      FERRY_RETURN_IF_ERROR(start_file(std::move(stream)));
    }
    if (!advance(to.offset - here_)) {
      if (!stream_status_.ok()) return stream_status_;
      return invalid_argument(concat("record ", to.number, " is looked for at byte ", to.offset, ", the stream ends at byte ", here_,
                                     "; it has changed since the place was noted"));
    }
  }
  here_ = to.offset;
  number_ = to.number;
  return {};
}

Result<uint64_t> RecordReader::skip(uint64_t records) {
  const auto data = std::exchange(options_.data, RecordReadOptions::Data::skipped);
  uint64_t passed = 0;
  while (passed < records && next()) ++passed;
  options_.data = data;
  record_ = {};
  records_ -= passed;  // nobody was given them
  if (!status_.ok()) return status_;
  return passed;
}

}  // namespace ferry
