#include "io/direct_writer.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ferry {
namespace {

bool set_direct(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && ::fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

Status write_at(int fd, std::span<const std::byte> bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    // A file system may take the flag and then not the write, or only a part that is no multiple of its blocks.
    if (put < 0 && errno == EINVAL && (::fcntl(fd, F_GETFL) & O_DIRECT) != 0 && set_direct(fd, false)) continue;
    if (put < 0) return io_error(concat("cannot write: ", std::strerror(errno)));
    bytes = bytes.subspan(static_cast<size_t>(put));
    offset += static_cast<uint64_t>(put);
  }
  return {};
}

}  // namespace

bool DirectWriter::fits(int fd) {
  struct statfs info;
  if (::fstatfs(fd, &info) != 0) return false;
  const auto type = static_cast<unsigned long>(info.f_type);
  if (type == TMPFS_MAGIC || type == RAMFS_MAGIC) return false;
  return set_direct(fd, true) && set_direct(fd, false);
}

Result<std::unique_ptr<DirectWriter>> DirectWriter::start(int fd, uint64_t offset) {
  FERRY_ASSERT(offset % kAlign == 0);
  auto out = std::unique_ptr<DirectWriter>(new DirectWriter(fd, offset));
  for (MutableBuffer& block : out->blocks_) {
    FERRY_ASSIGN_OR_RETURN(block, MutableBuffer::allocate(kBlock));  // of this size they begin on a page
  }
  (void)set_direct(fd, true);
  out->thread_ = std::thread([self = out.get()] { self->run(); });
  return out;
}

DirectWriter::~DirectWriter() {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DirectWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || pending_ != nullptr; });
    if (pending_ == nullptr) return;
    const std::span<const std::byte> bytes(pending_, kBlock);
    const uint64_t offset = pending_offset_;
    lock.unlock();
    Status status = write_at(fd_, bytes, offset);
    lock.lock();
    if (failed_.ok()) failed_ = std::move(status);
    pending_ = nullptr;
    changed_.notify_all();
  }
}

Status DirectWriter::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return pending_ == nullptr; });
  return failed_;
}

Status DirectWriter::hand_over() {
  FERRY_RETURN_IF_ERROR(wait());
  {
    const std::scoped_lock lock(mutex_);
    pending_ = blocks_[filling_].data();
    pending_offset_ = offset_;
  }
  changed_.notify_all();
  offset_ += kBlock;
  filling_ ^= 1;
  used_ = 0;
  return {};
}

Status DirectWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kBlock - used_));
    std::memcpy(blocks_[filling_].data() + used_, piece.data(), piece.size());
    used_ += piece.size();
    bytes = bytes.subspan(piece.size());
    if (used_ == kBlock) FERRY_RETURN_IF_ERROR(hand_over());
  }
  return {};
}

Status DirectWriter::finish() {
  const Status status = wait();
  // What is left fills no block: the usual way.
  (void)set_direct(fd_, false);
  FERRY_RETURN_IF_ERROR(status);
  FERRY_RETURN_IF_ERROR(write_at(fd_, {blocks_[filling_].data(), used_}, offset_));
  if (::lseek(fd_, static_cast<off_t>(offset_ + used_), SEEK_SET) < 0) return io_error(concat("cannot write: ", std::strerror(errno)));
  return {};
}

}  // namespace ferry
