// One HDF5 file, opened in the process `ferry-hdf5`. libhdf5 never runs in ours: a file that crashes it costs that process.
#pragma once

#include <cstdint>
#include <memory>

#include "ferry/buffer.h"
#include "ferry/io.h"
#include "ferry/limits.h"
#include "ferry/status.h"

namespace ferry::h5 {

// Thread-safe. Holds no process: one is taken from those that idle (or started) for each call, and opens the file anew where it
// had another one open in between, or where it is a new one because the last one crashed.
class RemoteFile {
 public:
  static Result<std::unique_ptr<RemoteFile>> open(std::shared_ptr<const ByteSource> source, const Limits& limits);
  RemoteFile(const RemoteFile&) = delete;
  RemoteFile& operator=(const RemoteFile&) = delete;
  ~RemoteFile();

  const ByteSource& source() const { return *source_; }
  // As protocol.h says; not checked yet.
  const Buffer& listing() const { return listing_; }
  // The elements of an object of the listing, at most `most` bytes. A sealed mapping, or a small copy.
  Result<Buffer> read(uint64_t object, uint64_t most) const;

 private:
  RemoteFile() = default;
  Result<Buffer> open_in(class Process& process) const;

  std::shared_ptr<const ByteSource> source_;
  Limits limits_;
  uint64_t id_ = 0;  // tells this file from others that a process may have open
  int fd_ = -1;
  uint64_t offset_ = 0;
  Buffer listing_;
};

}  // namespace ferry::h5
