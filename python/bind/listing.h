// Listing: an opened source. Its names are known; a tensor is described and read when it is first asked for, and kept.
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
      : pool_(std::move(pool)), reader_(std::move(reader)), path_(std::move(path)), kept_(reader_->tensors().size()) {}
  Listing(std::shared_ptr<ThreadPool> pool, std::unique_ptr<TensorNames> names, std::string path)
      : pool_(std::move(pool)), names_(std::move(names)), path_(std::move(path)), kept_(names_->size()) {}
  Status index();  // fails where two tensors have one name

  size_t size() const { return kept_.size(); }
  std::string_view name(size_t i) const { return names_ ? names_->name(i) : std::string_view(reader_->tensors()[i].name); }
  TensorInfo info(size_t i) const;
  const Metadata& metadata() const { return names_ ? names_->metadata() : reader_->metadata(); }
  // Metadata by name of the tensors that have any; None where that takes a look at each of them and `now` is not said.
  nb::object texts(bool now) const;
  static constexpr size_t kNone = SIZE_MAX;
  size_t find(std::string_view name) const;
  nb::object read(size_t i);

 private:
  std::shared_ptr<ThreadPool> pool_;
  std::unique_ptr<TensorReader> reader_;  // one of
  std::unique_ptr<TensorNames> names_;    // the two
  std::string path_;
  std::vector<nb::object> kept_;
  std::vector<uint32_t> slots_;  // positions + 1 by hash of the name; empty where a scan is as fast
};

}  // namespace ferry::py
