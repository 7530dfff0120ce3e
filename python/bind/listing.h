// Listing: an opened source. Its names are known; a tensor is read when it is first asked for, and kept.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bind.h"
#include "ferry/format.h"

namespace ferry::py {

// Used with the interpreter lock held, which is released while a tensor is read: two threads may then read the same one, and
// both get what the first of them kept. The file may go while it is open: what was mapped stays.
class Listing {
 public:
  // `pool` is what the reader was opened with, and outlives it.
  Listing(std::shared_ptr<ThreadPool> pool, std::unique_ptr<TensorReader> reader, std::string path)
      : pool_(std::move(pool)), reader_(std::move(reader)), path_(std::move(path)), kept_(infos().size()) {}
  Status index();  // fails where two tensors have one name

  size_t size() const { return kept_.size(); }
  std::span<const TensorInfo> infos() const { return reader_->tensors(); }
  const Metadata& metadata() const { return reader_->metadata(); }
  static constexpr size_t kNone = SIZE_MAX;
  size_t find(std::string_view name) const;
  nb::object read(size_t i);

 private:
  std::shared_ptr<ThreadPool> pool_;
  std::unique_ptr<TensorReader> reader_;
  std::string path_;
  std::vector<nb::object> kept_;
  std::vector<uint32_t> slots_;  // positions + 1 by hash of the name; empty where a scan is as fast
};

}  // namespace ferry::py
