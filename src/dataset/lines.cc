#include "dataset/lines.h"

#include <algorithm>
#include <cstring>

namespace ferry::dataset {
namespace {

constexpr size_t kChunk = size_t{256} << 10;

class LineIndex : public FileIndex {
 public:
  LineIndex(std::shared_ptr<const ByteSource> source, std::vector<std::pair<uint64_t, uint64_t>> rows)
      : source_(std::move(source)), rows_(std::move(rows)) {}
  uint64_t rows() const override { return rows_.size(); }
  Status read(uint64_t number, MutableBuffer& block, Row& row) const override {
    const auto [offset, size] = rows_[number];
    if (block.size() < size) FERRY_RETURN_IF_ERROR(block.resize(size + size / 2));
    row.origin.offset = offset;
    row.bytes = {block.data(), size};
    return source_->read_at(offset, {block.data(), size});
  }

 private:
  std::shared_ptr<const ByteSource> source_;
  std::vector<std::pair<uint64_t, uint64_t>> rows_;  // offset and size
};

}  // namespace

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

LineReader::LineReader(std::unique_ptr<ByteStream> in, const LineRules& rules, const Limits& limits)
    : in_(std::move(in)), rules_(rules), most_(static_cast<size_t>(std::min<uint64_t>(limits.max_tensor_bytes, uint64_t{1} << 31))) {}

// More bytes behind those that are there.
Status LineReader::fill() {
  if (at_ > 0) {
    std::memmove(block_.data(), block_.data() + at_, end_ - at_);
    offset_ += at_;
    end_ -= at_;
    at_ = 0;
  }
  if (end_ == block_.size()) {
    if (end_ >= most_) return Status(StatusCode::limit_exceeded, concat("line ", number_ + 1, " has more than ", most_, " bytes"), offset_);
    FERRY_RETURN_IF_ERROR(block_.resize(std::max(kChunk, 2 * block_.size())));
  }
  FERRY_ASSIGN_OR_RETURN(const size_t got, in_->read({block_.data() + end_, block_.size() - end_}));
  ended_ = got == 0;
  end_ += got;
  return {};
}

Result<bool> LineReader::find(size_t& end) {
  for (;;) {
    // To the end of the line.
    size_t looked = at_;
    bool quoted = false;
    for (;;) {
      const char* const text = reinterpret_cast<const char*>(block_.data());
      if (rules_.quotes) {
        for (; looked < end_ && (quoted || text[looked] != '\n'); ++looked) quoted ^= text[looked] == '"';
      } else if (looked < end_) {
        const auto* found = static_cast<const char*>(std::memchr(text + looked, '\n', end_ - looked));
        looked = found == nullptr ? end_ : static_cast<size_t>(found - text);
      }
      if (looked < end_ || ended_) break;
      looked -= at_;
      FERRY_RETURN_IF_ERROR(fill());
      looked += at_;
    }
    if (at_ == end_) return false;
    line_ = at_;
    at_ = std::min(end_, looked + 1);
    if (number_ == 0 && !rules_.mark.empty()) {
      const std::string_view head(reinterpret_cast<const char*>(block_.data()) + line_, at_ - line_);
      if (head.starts_with(rules_.mark)) line_ += rules_.mark.size();
    }
    if (number_++ < rules_.skip_lines) continue;
    const std::string_view line(reinterpret_cast<const char*>(block_.data()) + line_, at_ - line_);
    const size_t first = line.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || (rules_.comments && line[first] == '#')) continue;
    end = line_ + without_line_end(line).size();
    return true;
  }
}

Result<bool> LineReader::next(Row& row) {
  size_t end = 0;
  FERRY_ASSIGN_OR_RETURN(const bool more, find(end));
  if (!more) return false;
  row.bytes = {block_.data() + line_, end - line_};
  row.origin.offset = offset_ + line_;
  row.origin.number = number_;
  row.damaged = false;
  return true;
}

Status LineReader::skip(uint64_t count, uint64_t& done) {
  size_t end = 0;
  for (done = 0; done < count; ++done) {
    FERRY_ASSIGN_OR_RETURN(const bool more, find(end));
    if (!more) break;
  }
  return {};
}

Result<std::shared_ptr<const FileIndex>> index_lines(const std::string& path, const LineRules& rules, const Limits& limits) {
  bool compressed = false;
  FERRY_ASSIGN_OR_RETURN(auto stream, open_bytes(path, &compressed));
  FERRY_ASSIGN_OR_RETURN(auto source, open_source(path, {.limits = limits, .decompress = false}));
  if (compressed) return std::shared_ptr<const FileIndex>();
  LineReader reader(std::move(stream), rules, limits);
  std::vector<std::pair<uint64_t, uint64_t>> rows;
  Row row;
  for (;;) {
    FERRY_ASSIGN_OR_RETURN(const bool more, reader.next(row));
    if (!more) break;
    rows.emplace_back(row.origin.offset, row.bytes.size());
  }
  return std::shared_ptr<const FileIndex>(std::make_shared<LineIndex>(std::move(source), std::move(rows)));
}

}  // namespace ferry::dataset
