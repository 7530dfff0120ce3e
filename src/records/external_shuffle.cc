#include "records/external_shuffle.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ferry::records {
namespace {

constexpr uint64_t kLeastMemory = uint64_t{1} << 20;
constexpr uint64_t kChunk = uint64_t{256} << 10;  // below the size from which blocks are of huge pages and kept when freed
constexpr uint64_t kLeastWindow = 4096, kMostWindow = uint64_t{768} << 10;

Status system_error(std::string_view what) { return io_error(concat(what, ": ", std::strerror(errno))); }

Result<int> nameless_file(const std::string& folder) {
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  std::string name = concat(folder, "/.ferry-shuffle.XXXXXX");
  fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return system_error(concat("cannot make a temporary file in ", quoted(folder)));
  ::unlink(name.c_str());
  return fd;
}

Status write_at(int fd, std::span<const std::byte> bytes, uint64_t at) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error("cannot write what does not fit in memory");
    bytes = bytes.subspan(static_cast<size_t>(put));
    at += static_cast<uint64_t>(put);
  }
  return {};
}

struct Head {
  uint64_t key, number, size;
};

}  // namespace

// One run of the file through a window.
class ExternalShuffle::RunReader {
 public:
  RunReader(int fd, Run run, uint64_t window) : fd_(fd), run_(run), window_(window) {}

  // False at the end of the run.
  Result<bool> next() {
    if (run_.begin == run_.end && begin_ == end_) return false;
    FERRY_RETURN_IF_ERROR(fill(sizeof(Head)));
    std::memcpy(&head_, block_.data() + begin_, sizeof(Head));
    FERRY_RETURN_IF_ERROR(fill(sizeof(Head) + head_.size));
    record_ = {block_.data() + begin_ + sizeof(Head), static_cast<size_t>(head_.size)};
    begin_ += sizeof(Head) + static_cast<size_t>(head_.size);
    return true;
  }
  std::span<const std::byte> record() const { return record_; }
  bool behind(const RunReader& other) const {
    return head_.key != other.head_.key ? head_.key > other.head_.key : head_.number > other.head_.number;
  }

 private:
  Status fill(uint64_t wanted) {
    if (end_ - begin_ >= wanted) return {};
    if (end_ > begin_) std::memmove(block_.data(), block_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (block_.size() < wanted) FERRY_RETURN_IF_ERROR(block_.resize(static_cast<size_t>(std::max(wanted, window_))));
    while (end_ < wanted) {
      const size_t size = static_cast<size_t>(std::min<uint64_t>(block_.size() - end_, run_.end - run_.begin));
      const ssize_t got = ::pread(fd_, block_.data() + end_, size, static_cast<off_t>(run_.begin));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error("cannot read back what did not fit in memory");
      if (got == 0) return io_error("the temporary file has lost its end");
      end_ += static_cast<size_t>(got);
      run_.begin += static_cast<uint64_t>(got);
    }
    return {};
  }
  int fd_;
  Run run_;
  uint64_t window_;
  MutableBuffer block_;
  size_t begin_ = 0, end_ = 0;
  Head head_{};
  std::span<const std::byte> record_;
};

ExternalShuffle::ExternalShuffle(Options options) : options_(std::move(options)) {
  options_.memory = std::max(options_.memory, kLeastMemory);
}

ExternalShuffle::~ExternalShuffle() {
  if (fd_ >= 0) ::close(fd_);
}

void ExternalShuffle::forget() {
  entries_ = {};
  chunks_.clear();
  chunk_used_ = held_ = 0;
}

Result<std::byte*> ExternalShuffle::room(uint64_t size) {
  if (chunks_.empty() || chunks_.back().size() - chunk_used_ < size) {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer chunk, MutableBuffer::allocate(static_cast<size_t>(std::max(size, kChunk))));
    held_ += chunk.size();
    chunks_.push_back(std::move(chunk));
    chunk_used_ = 0;
  }
  std::byte* const at = chunks_.back().data() + chunk_used_;
  chunk_used_ += size;
  return at;
}

Status ExternalShuffle::add(std::span<const std::byte> record) {
  // A vector that grows is there twice for a moment.
  const uint64_t entries = sizeof(Entry) * (entries_.size() == entries_.capacity() ? 3 * entries_.size() : entries_.capacity());
  if (!entries_.empty() && held_ + record.size() + entries > options_.memory) FERRY_RETURN_IF_ERROR(spill());
  FERRY_ASSIGN_OR_RETURN(std::byte* const at, room(record.size()));
  if (!record.empty()) std::memcpy(at, record.data(), record.size());
  entries_.push_back({random_key(options_.seed, count_), count_, at, record.size()});
  ++count_;
  return {};
}

Status ExternalShuffle::spill() {
  if (fd_ < 0) {
    FERRY_ASSIGN_OR_RETURN(fd_, nameless_file(options_.folder));
  }
  std::sort(entries_.begin(), entries_.end());
  Run run{file_end_, file_end_};
  MutableBuffer block;
  FERRY_RETURN_IF_ERROR(block.resize(static_cast<size_t>(kChunk)));
  size_t used = 0;
  const auto put = [&](std::span<const std::byte> bytes) -> Status {
    if (block.size() - used < bytes.size()) {
      FERRY_RETURN_IF_ERROR(write_at(fd_, {block.data(), used}, run.end));
      run.end += used;
      used = 0;
    }
    if (bytes.size() > block.size()) {
      FERRY_RETURN_IF_ERROR(write_at(fd_, bytes, run.end));
      run.end += bytes.size();
      return {};
    }
    if (!bytes.empty()) std::memcpy(block.data() + used, bytes.data(), bytes.size());
    used += bytes.size();
    return {};
  };
  for (const Entry& entry : entries_) {
    const Head head{entry.key, entry.number, entry.size};
    FERRY_RETURN_IF_ERROR(put(std::as_bytes(std::span(&head, 1))));
    FERRY_RETURN_IF_ERROR(put({entry.data, static_cast<size_t>(entry.size)}));
  }
  FERRY_RETURN_IF_ERROR(write_at(fd_, {block.data(), used}, run.end));
  run.end += used;
  file_end_ = run.end;
  runs_.push_back(run);
  forget();
  return {};
}

Status ExternalShuffle::drain(const std::function<Status(std::span<const std::byte>)>& give) {
  if (runs_.empty()) {
    std::sort(entries_.begin(), entries_.end());
    for (const Entry& entry : entries_) FERRY_RETURN_IF_ERROR(give({entry.data, static_cast<size_t>(entry.size)}));
  } else {
    if (!entries_.empty()) FERRY_RETURN_IF_ERROR(spill());
    FERRY_RETURN_IF_ERROR(merge(give));
    runs_.clear();
    (void)!::ftruncate(fd_, 0);
    file_end_ = 0;
  }
  forget();
  count_ = 0;
  return {};
}

Status ExternalShuffle::merge(const std::function<Status(std::span<const std::byte>)>& give) {
  const uint64_t window = std::clamp(options_.memory / runs_.size(), kLeastWindow, kMostWindow);
  std::vector<std::unique_ptr<RunReader>> heap;
  const auto later = [](const auto& a, const auto& b) { return a->behind(*b); };
  for (const Run& run : runs_) {
    auto reader = std::make_unique<RunReader>(fd_, run, window);
    FERRY_ASSIGN_OR_RETURN(const bool any, reader->next());
    if (any) heap.push_back(std::move(reader));
  }
  std::ranges::make_heap(heap, later);
  while (!heap.empty()) {
    std::ranges::pop_heap(heap, later);
    RunReader& first = *heap.back();
    FERRY_RETURN_IF_ERROR(give(first.record()));
    FERRY_ASSIGN_OR_RETURN(const bool more, first.next());
    if (more) {
      std::ranges::push_heap(heap, later);
    } else {
      heap.pop_back();
    }
  }
  return {};
}

}  // namespace ferry::records
