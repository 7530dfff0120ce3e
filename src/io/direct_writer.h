// Large files to a disk past the page cache: the cache would first have to find memory for all of it, which on virtual machines costs
// several times what the disk does, and then throw out what others need.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

#include "ferry/buffer.h"
#include "ferry/status.h"

namespace ferry {

// Gathers bytes in two blocks: one is filled while the other is on its way. Not thread-safe.
class DirectWriter {
 public:
  static constexpr size_t kAlign = 4096, kBlock = size_t{4} << 20;
  // Whether the file lies where this is of use (not in memory, and the file system can).
  static bool fits(int fd);
  // Goes on at `offset`, a multiple of kAlign. The descriptor is the caller's.
  static Result<std::unique_ptr<DirectWriter>> start(int fd, uint64_t offset);
  ~DirectWriter();

  Status write(std::span<const std::byte> bytes);
  // Everything is in the file, and its position behind it; the descriptor is as it was. Last call.
  Status finish();

 private:
  DirectWriter(int fd, uint64_t offset) : fd_(fd), offset_(offset) {}
  void run();
  Status hand_over();  // the full block to the thread
  Status wait();       // until it has nothing to do

  int fd_;
  uint64_t offset_;  // of the block that is filled
  MutableBuffer blocks_[2];
  int filling_ = 0;
  size_t used_ = 0;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Under mutex_: what the thread has to write, if anything.
  const std::byte* pending_ = nullptr;
  uint64_t pending_offset_ = 0;
  bool stop_ = false;
  Status failed_;
};

}  // namespace ferry
