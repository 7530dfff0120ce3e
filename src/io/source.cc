#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "ferry/io.h"
#include "io/file_stream.h"

namespace ferry {
namespace {

Status system_error(std::string_view what) {
  const int error = errno;
  const std::string message = concat(what, ": ", std::strerror(error));
  return error == ENOENT || error == ENOTDIR ? not_found(message) : io_error(message);
}

Status past_the_end(uint64_t offset, uint64_t size, uint64_t end) {
  return data_loss_at(offset, concat(size, " bytes are wanted here, the source ends at byte ", end));
}

std::shared_ptr<const Folder> folder_of_file(std::string_view path, const Limits& limits) {
  const size_t slash = path.rfind('/');
  return directory(slash == std::string_view::npos ? "." : std::string(path.substr(0, slash == 0 ? 1 : slash)), limits);
}

class MemorySource : public ByteSource {
 public:
  MemorySource(Buffer data, std::string name) : data_(std::move(data)), name_(std::move(name)) {}
  uint64_t size() const override { return data_.size(); }
  Status read_at(uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size() || out.size() > size() - offset) return past_the_end(offset, out.size(), size());
    if (!out.empty()) std::memcpy(out.data(), data_.data() + offset, out.size());
    return {};
  }
  Result<Buffer> view(uint64_t offset, uint64_t size) const override {
    if (offset > this->size() || size > this->size() - offset) return past_the_end(offset, size, this->size());
    return data_.slice(offset, size);
  }
  bool in_memory() const override { return true; }
  std::string_view name() const override { return name_; }

 private:
  Buffer data_;
  std::string name_;
};

// A file of the disk, which knows where it lies. It is mapped when a view is asked for; small pieces here and there (the headers of a
// container) are read through the descriptor: the first touch of a page of the map costs ten times as much, and the map itself more.
// Few descriptors are kept, lest many open files use them up; the others' files are mapped at once.
class DiskFile : public ByteSource {
 public:
  DiskFile(int fd, std::string path, const struct stat& info, const Limits& limits)
      : info_(info), path_(std::move(path)), limits_(limits), fd_(fd) {
    if (kept_.fetch_add(1) >= kMostKept && map().data() != nullptr) close_descriptor();
  }
  ~DiskFile() override {
    if (fd_ >= 0) close_descriptor();
  }
  DiskFile(const DiskFile&) = delete;
  DiskFile& operator=(const DiskFile&) = delete;

  uint64_t size() const override { return static_cast<uint64_t>(info_.st_size); }
  std::string_view name() const override { return path_; }
  std::shared_ptr<const Folder> folder() const override { return folder_of_file(path_, limits_); }
  bool in_memory() const override { return map().data() != nullptr; }

  Status read_at(uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size() || out.size() > size() - offset) return past_the_end(offset, out.size(), size());
    if (fd_ < 0 || (out.size() > kSmall && map().data() != nullptr)) {
      if (!out.empty()) std::memcpy(out.data(), map().data() + offset, out.size());
      return {};
    }
    while (!out.empty()) {
      const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error("reading");
      if (got == 0) return past_the_end(offset, out.size(), offset);  // it was cut short since
      out = out.subspan(static_cast<size_t>(got));
      offset += static_cast<uint64_t>(got);
    }
    return {};
  }

  Result<Buffer> view(uint64_t offset, uint64_t size) const override {
    if (offset > this->size() || size > this->size() - offset) return past_the_end(offset, size, this->size());
    if (const Buffer& whole = map(); whole.data() != nullptr) return whole.slice(offset, size);
    FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::allocate(size));
    FERRY_RETURN_IF_ERROR(read_at(offset, {block.data(), block.size()}));
    return std::move(block).freeze();
  }

  std::optional<FileRange> reopen() const override {
    if (fd_ >= 0) {
      const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
      if (copy >= 0) return FileRange{copy, 0};
    }
    const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return std::nullopt;
    struct stat now;
    if (::fstat(fd, &now) == 0 && now.st_dev == info_.st_dev && now.st_ino == info_.st_ino && now.st_size == info_.st_size) {
      return FileRange{fd, 0};
    }
    ::close(fd);
    return std::nullopt;
  }

 private:
  static constexpr size_t kSmall = 16 << 10;
  static constexpr int kMostKept = 64;
  static inline std::atomic<int> kept_ = 0;
  void close_descriptor() {
    ::close(std::exchange(fd_, -1));
    kept_.fetch_sub(1);
  }

  // Without data where the file cannot be mapped (some network and /proc files).
  const Buffer& map() const {
    std::call_once(mapped_, [this] {
      struct stat now;
      if (::fstat(fd_, &now) != 0 || now.st_size < info_.st_size) return;  // cut short since: behind its end there is nothing to touch
      // Writable, though nobody here writes: a foreign library that takes a view for its own (torch) then gets a private copy of
      // the page instead of a crash. The file is never changed.
      void* const data = ::mmap(nullptr, size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd_, 0);
      if (data == MAP_FAILED) return;
      map_ = Buffer::adopt_mapped(
          data, size(), std::shared_ptr<const void>(data, [size = size()](const void* p) { ::munmap(const_cast<void*>(p), size); }));
    });
    return map_;
  }

  struct stat info_;
  std::string path_;
  Limits limits_;
  int fd_;
  mutable std::once_flag mapped_;
  mutable Buffer map_;
};

class SubSource : public ByteSource {
 public:
  SubSource(std::shared_ptr<const ByteSource> source, uint64_t offset, uint64_t size, std::string name)
      : source_(std::move(source)), offset_(offset), size_(size), name_(std::move(name)) {}
  uint64_t size() const override { return size_; }
  Status read_at(uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size_ || out.size() > size_ - offset) return past_the_end(offset, out.size(), size_);
    return source_->read_at(offset_ + offset, out);
  }
  Result<Buffer> view(uint64_t offset, uint64_t size) const override {
    if (offset > size_ || size > size_ - offset) return past_the_end(offset, size, size_);
    return source_->view(offset_ + offset, size);
  }
  bool in_memory() const override { return source_->in_memory(); }
  std::string_view name() const override { return name_; }
  std::optional<FileRange> reopen() const override {
    auto range = source_->reopen();
    if (range) range->offset += offset_;
    return range;
  }

 private:
  std::shared_ptr<const ByteSource> source_;
  uint64_t offset_, size_;
  std::string name_;
};

class FdStream : public FileStream {
 public:
  explicit FdStream(int fd, bool owned, std::optional<uint64_t> size = std::nullopt) : fd_(fd), owned_(owned), size_(size) {}
  ~FdStream() override {
    if (owned_) ::close(fd_);
  }
  FdStream(const FdStream&) = delete;
  FdStream& operator=(const FdStream&) = delete;
  Result<size_t> read(std::span<std::byte> out) override {
    for (;;) {
      const ssize_t got = ::read(fd_, out.data(), out.size());
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) return system_error("reading");
    }
  }
  std::optional<uint64_t> size() const override { return size_; }
  Status seek(uint64_t offset) override {
    if (!size_) return unsupported("a pipe has no places to go to");
    if (::lseek(fd_, static_cast<off_t>(offset), SEEK_SET) < 0) return system_error("seeking");
    return {};
  }

 private:
  int fd_;
  bool owned_;
  std::optional<uint64_t> size_;
};

class SourceStream : public FileStream {
 public:
  explicit SourceStream(std::shared_ptr<const ByteSource> source) : source_(std::move(source)) {}
  Result<size_t> read(std::span<std::byte> out) override {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(out.size(), source_->size() - at_));
    FERRY_RETURN_IF_ERROR(source_->read_at(at_, out.first(size)));
    at_ += size;
    return size;
  }
  std::optional<uint64_t> size() const override { return source_->size(); }
  Status seek(uint64_t offset) override {
    at_ = std::min(offset, source_->size());
    return {};
  }

 private:
  std::shared_ptr<const ByteSource> source_;
  uint64_t at_ = 0;
};

// A file, pipe or device; the caller closes it.
Result<int> open_for_reading(const std::string& path, struct stat& info) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error("cannot open");
  if (::fstat(fd, &info) != 0) {
    const Status status = system_error("cannot look at");
    ::close(fd);
    return status;
  }
  if (S_ISDIR(info.st_mode)) {
    ::close(fd);
    return io_error("is a folder, expected a file");
  }
  return fd;
}

Result<std::shared_ptr<const ByteSource>> open_plain(const std::string& path, const Limits& limits) {
  if (path == "-") {
    FdStream in(STDIN_FILENO, false);
    FERRY_ASSIGN_OR_RETURN(Buffer data, read_all(in, limits));
    return memory_source(std::move(data), "-");
  }
  struct stat info;
  FERRY_ASSIGN_OR_RETURN(const int fd, open_for_reading(path, info));
  if (!S_ISREG(info.st_mode)) {  // a pipe or a device: read to its end
    FdStream in(fd, true);
    FERRY_ASSIGN_OR_RETURN(Buffer data, read_all(in, limits));
    return memory_source(std::move(data), path);
  }
  if (info.st_size == 0) {
    // Some files of /proc say zero and are not: read, which for a really empty file gives nothing.
    FdStream in(fd, true);
    FERRY_ASSIGN_OR_RETURN(Buffer data, read_all(in, limits));
    return memory_source(std::move(data), path);
  }
  return std::shared_ptr<const ByteSource>(std::make_shared<DiskFile>(fd, path, info, limits));
}

}  // namespace

std::shared_ptr<const ByteSource> memory_source(Buffer data, std::string name) {
  return std::make_shared<MemorySource>(std::move(data), std::move(name));
}

Result<std::shared_ptr<const ByteSource>> sub_source(std::shared_ptr<const ByteSource> source, uint64_t offset, uint64_t size,
                                                     std::string name) {
  if (offset > source->size() || size > source->size() - offset) return past_the_end(offset, size, source->size());
  return std::shared_ptr<const ByteSource>(std::make_shared<SubSource>(std::move(source), offset, size, std::move(name)));
}

std::unique_ptr<ByteStream> stream_of(std::shared_ptr<const ByteSource> source) {
  return std::make_unique<SourceStream>(std::move(source));
}

std::unique_ptr<FileStream> file_stream_of(std::shared_ptr<const ByteSource> source) {
  return std::make_unique<SourceStream>(std::move(source));
}

Result<std::unique_ptr<FileStream>> open_stream(const std::string& path) {
  if (path == "-") return std::unique_ptr<FileStream>(std::make_unique<FdStream>(STDIN_FILENO, false));
  struct stat info;
  FERRY_ASSIGN_OR_RETURN(const int fd, open_for_reading(path, info));
  // Some files of /proc say zero and are not.
  if (!S_ISREG(info.st_mode) || info.st_size == 0) return std::unique_ptr<FileStream>(std::make_unique<FdStream>(fd, true));
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return std::unique_ptr<FileStream>(std::make_unique<FdStream>(fd, true, static_cast<uint64_t>(info.st_size)));
}

Result<Buffer> read_all(ByteStream& stream, const Limits& limits) {
  MutableBuffer block;
  size_t used = 0;
  for (;;) {
    if (used == block.size()) FERRY_RETURN_IF_ERROR(block.resize(std::max<size_t>(64 << 10, 2 * used)));
    FERRY_ASSIGN_OR_RETURN(const size_t got, stream.read({block.data() + used, block.size() - used}));
    if (got == 0) break;
    used += got;
    if (used > limits.max_expanded_bytes) {
      return limit_exceeded(concat("the stream is longer than ", limits.max_expanded_bytes, " bytes (max_expanded_bytes)"));
    }
  }
  block.truncate(used);
  return std::move(block).freeze();
}

Result<std::shared_ptr<const ByteSource>> open_source(const std::string& path, const OpenOptions& options) {
  FERRY_ASSIGN_OR_RETURN(auto source, open_plain(path, options.limits));
  if (!options.decompress) return source;
  std::byte head[16];
  const auto start = std::span(head).first(static_cast<size_t>(std::min<uint64_t>(source->size(), sizeof head)));
  FERRY_RETURN_IF_ERROR(source->read_at(0, start));
  const Compression compression = sniff_compression(start);
  if (compression == Compression::none) return source;
  const std::string name(uncompressed_name(source->name()));
  FERRY_ASSIGN_OR_RETURN(Buffer data, decompress_all(std::move(source), compression, options.limits));
  return memory_source(std::move(data), name);
}

}  // namespace ferry
