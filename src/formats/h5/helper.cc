#include "formats/h5/helper.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "formats/h5/process.h"

namespace ferry::h5 {
namespace {

constexpr uint64_t kBaseMemory = 1 << 30;
constexpr uint64_t kBaseTime = 3'000, kMostTime = 600'000;  // milliseconds

// The bytes of a source that has no file, as one.
Result<int> copy_to_memfd(const ByteSource& source) {
  const int fd = ::memfd_create("hdf5", MFD_CLOEXEC);
  if (fd < 0) return io_error("no memory file for ferry-hdf5");
  constexpr uint64_t kPiece = 16 << 20;
  for (uint64_t at = 0; at < source.size();) {
    auto piece = source.view(at, std::min(kPiece, source.size() - at));
    if (!piece.ok()) {
      ::close(fd);
      return piece.status();
    }
    const std::byte* from = piece->data();
    for (size_t left = piece->size(); left > 0;) {
      const ssize_t wrote = ::write(fd, from, left);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) {
        ::close(fd);
        return limit_exceeded("no memory to hand the file to ferry-hdf5");
      }
      from += wrote;
      left -= static_cast<size_t>(wrote);
    }
    at += piece->size();
  }
  return fd;
}

uint64_t time_for(uint64_t bytes, uint64_t bytes_a_millisecond) { return kBaseTime + std::min(bytes / bytes_a_millisecond, kMostTime); }

}  // namespace

RemoteFile::~RemoteFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Buffer> RemoteFile::open_in(Process& process) const {
  Request request{};
  request.magic = kMagic;
  request.verb = Verb::open;
  request.offset = offset_;
  request.size = source_->size();
  request.memory = kBaseMemory;
  request.milliseconds = time_for(source_->size(), 10'000);
  request.max_objects = limits_.max_tensors;
  process.file = 0;
  FERRY_ASSIGN_OR_RETURN(Buffer listing, process.ask(request, fd_, uint64_t{1} << 32));
  process.file = id_;
  return listing;
}

Result<std::unique_ptr<RemoteFile>> RemoteFile::open(std::shared_ptr<const ByteSource> source, const Limits& limits) {
  static std::atomic<uint64_t> next{1};
  std::unique_ptr<RemoteFile> out(new RemoteFile());
  out->limits_ = limits;
  out->id_ = next++;
  if (const auto range = source->reopen()) {
    out->fd_ = range->fd;
    out->offset_ = range->offset;
  } else {
    FERRY_ASSIGN_OR_RETURN(out->fd_, copy_to_memfd(*source));
  }
  out->source_ = std::move(source);
  FERRY_ASSIGN_OR_RETURN(auto process, take_process(0));
  auto listing = out->open_in(*process);
  give_back(std::move(process));
  if (!listing.ok()) return listing.status();
  out->listing_ = *std::move(listing);
  return out;
}

Result<Buffer> RemoteFile::read(uint64_t object, uint64_t most) const {
  FERRY_ASSIGN_OR_RETURN(auto process, take_process(id_));
  const auto ask = [&]() -> Result<Buffer> {
    if (process->file != id_) FERRY_RETURN_IF_ERROR(open_in(*process).status());
    Request request{};
    request.magic = kMagic;
    request.verb = Verb::read;
    request.offset = object;
    request.size = most;
    request.memory = kBaseMemory + 4 * std::min(most, uint64_t{1} << 60);
    request.milliseconds = time_for(most, 20'000);
    return process->ask(request, -1, most);
  };
  auto out = ask();
  give_back(std::move(process));
  return out;
}

}  // namespace ferry::h5
