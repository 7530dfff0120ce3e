#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "ferry/io.h"
#include "io/direct_writer.h"
#include "io/file_stream.h"

namespace ferry {
namespace {

constexpr size_t kBlock = size_t{256} << 10;  // small writes are gathered to this size

Status system_error(std::string_view what) { return io_error(concat(what, ": ", std::strerror(errno))); }

Status write_fully(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error("cannot write");
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return {};
}

// Gathers small writes in front of a file descriptor. Of a regular file that grows large, what is beyond kDirectFrom goes past the page
// cache.
class FdWriter {
 public:
  explicit FdWriter(int fd, bool regular = false) : fd_(fd), may_be_direct_(regular) { pending_.reserve(kBlock); }
  int fd() const { return fd_; }
  Status write(std::span<const std::byte> bytes) {
    if (direct_ != nullptr) return direct_->write(bytes);
    if (may_be_direct_ && total_ + bytes.size() > kDirectFrom) return go_direct(bytes);
    total_ += bytes.size();
    if (pending_.size() + bytes.size() <= kBlock) {
      pending_.insert(pending_.end(), bytes.begin(), bytes.end());
      return {};
    }
    FERRY_RETURN_IF_ERROR(write_pending());
    if (bytes.size() >= kBlock) return write_fully(fd_, bytes);
    pending_.assign(bytes.begin(), bytes.end());
    return {};
  }
  void stop() { direct_.reset(); }
  Status flush() {
    if (direct_ != nullptr) {
      // Whoever wants to see the file grow gets it so from here on.
      may_be_direct_ = false;
      const Status status = direct_->finish();
      direct_.reset();
      return status;
    }
    return write_pending();
  }

 private:
  static constexpr uint64_t kDirectFrom = uint64_t{32} << 20;

  Status write_pending() {
    const Status status = write_fully(fd_, pending_);
    pending_.clear();
    return status;
  }
  // The usual way up to a place where the disk's blocks begin.
  Status go_direct(std::span<const std::byte> bytes) {
    may_be_direct_ = false;
    if (!DirectWriter::fits(fd_)) return write(bytes);
    const auto gap =
        bytes.first(std::min<size_t>(bytes.size(), (DirectWriter::kAlign - total_ % DirectWriter::kAlign) % DirectWriter::kAlign));
    FERRY_RETURN_IF_ERROR(write(gap));
    if (total_ % DirectWriter::kAlign != 0) {
      may_be_direct_ = true;  // at the next write
      return {};
    }
    FERRY_RETURN_IF_ERROR(write_pending());
    FERRY_ASSIGN_OR_RETURN(direct_, DirectWriter::start(fd_, total_));
    return direct_->write(bytes.subspan(gap.size()));
  }

  int fd_;
  bool may_be_direct_;
  uint64_t total_ = 0;
  std::vector<std::byte> pending_;
  std::unique_ptr<DirectWriter> direct_;
};

// stdout, and whatever is no regular file (a pipe, /dev/null): written in place.
class StreamSink : public FlushingSink {
 public:
  StreamSink(int fd, bool owned) : out_(fd), owned_(owned) {}
  ~StreamSink() override {
    if (owned_) ::close(out_.fd());
  }
  Status write(std::span<const std::byte> bytes) override { return out_.write(bytes); }
  Status flush() override { return out_.flush(); }
  Status close() override { return out_.flush(); }

 private:
  FdWriter out_;
  bool owned_;
};

class FileSink : public FlushingSink {
 public:
  FileSink(int fd, std::string temporary, std::string target)
      : out_(fd, true), temporary_(std::move(temporary)), target_(std::move(target)) {}
  ~FileSink() override {
    if (closed_) return;
    out_.stop();  // nobody writes to a descriptor that is closed, or another file's by then
    ::close(out_.fd());
    ::unlink(temporary_.c_str());
  }
  Status write(std::span<const std::byte> bytes) override {
    FERRY_RETURN_IF_ERROR(full_);
    return out_.write(bytes);
  }
  Status flush() override { return out_.flush(); }
  // A disk that is too small says so now. The file's size stays what is written; not every file system can do this.
  void expect(uint64_t bytes) override {
    if (bytes >= kWorthAsking && ::fallocate(out_.fd(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) != 0 && errno == ENOSPC) {
      full_ = io_error(concat("cannot write: ", std::strerror(ENOSPC), "; ", bytes, " bytes are needed"));
    }
  }
  Status close() override {
    FERRY_ASSERT(!closed_);
    FERRY_RETURN_IF_ERROR(out_.flush());
    // Without this a crash of the machine could leave the new name on old or empty blocks.
    if (::fsync(out_.fd()) != 0) return system_error("cannot flush");
    if (temporary_.empty()) FERRY_RETURN_IF_ERROR(give_name());
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) return system_error("cannot rename into place");
    ::close(out_.fd());
    closed_ = true;
    return {};
  }

 private:
  // A link cannot replace a file, a rename can: so first a name beside the target, for an instant.
  Status give_name() {
    const std::string self = concat("/proc/self/fd/", out_.fd());
    for (int attempt = 0; attempt < 100; ++attempt) {
      std::string name = concat(target_, ".", ::getpid(), "-", attempt);
      if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
        temporary_ = std::move(name);
        return {};
      }
      if (errno != EEXIST) break;
    }
    return system_error("cannot name the finished file");
  }
  static constexpr uint64_t kWorthAsking = uint64_t{32} << 20;
  FdWriter out_;
  std::string temporary_, target_;
  bool closed_ = false;
  Status full_;
};

struct Unfinished {
  int fd;
  std::string name;  // "" where it has none
};

Result<Unfinished> create_beside(const std::string& target) {
  const size_t slash = target.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : target.substr(0, slash);
  // Without /proc the nameless file could not be named later.
  if (::access("/proc/self/fd", X_OK) == 0) {
    const int fd = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0) return Unfinished{fd, ""};
  }
  std::string name = target + ".XXXXXX";
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return system_error("cannot create a file beside it");
  return Unfinished{fd, std::move(name)};
}

class MemorySink : public ByteSink {
 public:
  explicit MemorySink(std::string& out) : out_(out) {}
  Status write(std::span<const std::byte> bytes) override {
    out_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  Status close() override { return {}; }

 private:
  std::string& out_;
};

}  // namespace

Result<std::unique_ptr<ByteSink>> open_plain_sink(const std::string& path) {
  if (path == "-") return std::unique_ptr<ByteSink>(std::make_unique<StreamSink>(STDOUT_FILENO, false));
  struct stat info;
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) return io_error("is a folder, expected a file");
  if (exists && !S_ISREG(info.st_mode)) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return system_error("cannot open for writing");
    return std::unique_ptr<ByteSink>(std::make_unique<StreamSink>(fd, true));
  }
  std::string target = path;
  if (char resolved[PATH_MAX]; exists && ::realpath(path.c_str(), resolved) != nullptr) target = resolved;
  if (exists && ::access(target.c_str(), W_OK) != 0) return system_error("cannot open for writing");
  FERRY_ASSIGN_OR_RETURN(Unfinished file, create_beside(target));
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(file.fd, exists ? info.st_mode & 07777 : 0666 & ~mask) != 0) {
    const Status status = system_error("cannot set permissions");
    ::close(file.fd);
    if (!file.name.empty()) ::unlink(file.name.c_str());
    return status;
  }
  return std::unique_ptr<ByteSink>(std::make_unique<FileSink>(file.fd, std::move(file.name), std::move(target)));
}

Result<std::unique_ptr<ByteSink>> open_sink(const std::string& path) {
  FERRY_ASSIGN_OR_RETURN(auto sink, open_plain_sink(path));
  const Compression compression = compression_from_name(path);
  if (compression == Compression::none) return sink;
  return compress_sink(std::move(sink), compression);
}

Status write_through(ByteSink& sink, const Buffer& bytes) {
  if (!bytes.is_mapped()) return sink.write(bytes.bytes());
  constexpr size_t kPiece = size_t{4} << 20, kWorthDropping = 4096;
  for (size_t at = 0; at < bytes.size(); at += kPiece) {
    const Buffer piece = bytes.slice(at, std::min(kPiece, bytes.size() - at));
    FERRY_RETURN_IF_ERROR(sink.write(piece.bytes()));
    if (bytes.size() >= kWorthDropping) piece.drop_pages();
  }
  return {};
}

std::unique_ptr<ByteSink> memory_sink(std::string& out) { return std::make_unique<MemorySink>(out); }

}  // namespace ferry
