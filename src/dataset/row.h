// Rows on their way to a batch: byte strings with the place they came from, pulled one by one through stages.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/dataset.h"
#include "ferry/limits.h"
#include "ferry/status.h"

namespace ferry::dataset {

inline constexpr uint64_t kAll = UINT64_MAX;

// Where a row stands. What `offset` and `number` count is the source's: bytes of the (decompressed) file and records, or lines.
struct Origin {
  uint32_t place = 0;  // of Places
  uint64_t offset = 0, number = 0;
};

struct Row {
  std::span<const std::byte> bytes;
  Origin origin;
  bool damaged = false;  // the bytes are a message that says why there is no row; only with OnError::skip
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

// The names of files and other places, by number, and what their rows are called. Thread-safe.
class Places {
 public:
  uint32_t add(std::string name, std::string_view unit);
  // "train.tfrecord: record 17 at byte 1234": what a message about the row begins with.
  std::string tell(const Origin& origin) const;
  // What `status` says, about that row; its offset counts from the row's first byte.
  Status at(const Origin& origin, const Status& status) const;

 private:
  struct Place {
    std::string name;
    std::string_view unit;
  };
  mutable std::mutex mutex_;
  std::vector<Place> places_;
};

// What the stages of one iterator share.
struct Context {
  Limits limits;
  OnError on_error = OnError::stop;
  int threads = 1;
  std::shared_ptr<Places> places = std::make_shared<Places>();
  // The rows of one turn of each repeat of rows, in the order they are opened; kAll where nobody knows yet. Those that are there
  // before were learnt by another iterator.
  std::vector<std::shared_ptr<std::atomic<uint64_t>>> sizes;
  size_t sizes_used = 0;
  // Seeds that shuffles without one have drawn, in the order they are opened.
  std::vector<uint64_t> drawn;
  size_t drawn_used = 0;
  std::shared_ptr<std::atomic<bool>> stopped = std::make_shared<std::atomic<bool>>(false);  // whoever loops for long looks
};

// Not thread-safe. After an error nothing but start() may be called.
class RowStage {
 public:
  virtual ~RowStage() = default;
  // Begins pass `pass` over the data. Stands before the first next().
  virtual Status start(uint64_t pass) = 0;
  // False at the end of the pass. The row is good until the next call.
  virtual Result<bool> next(Row& row) = 0;
  // Leaves out up to `count` rows; fewer only at the end of the pass. The same rows come after it as after so many next().
  virtual Result<uint64_t> skip(uint64_t count);
  // Whether skip() is far cheaper than next(), and start() gives the same rows again.
  virtual bool skips() const { return false; }
  // Rows in a pass, where that is known.
  virtual std::optional<uint64_t> size() const { return std::nullopt; }
  // Any row of the pass, where can_seek() and after prepare_seek(), which may take a look at the whole source and after which size() is
  // known. Not to be mixed with next().
  virtual bool can_seek() const { return false; }
  virtual Status prepare_seek() { return {}; }
  virtual Result<bool> read(uint64_t index, Row& row);
};

using RowStagePtr = std::unique_ptr<RowStage>;

// A place for a batch's worth of rows, filled, emptied and filled again without allocating.
class RowBlock {
 public:
  struct Entry {
    size_t offset, size;
    Origin origin;
    uint64_t position;  // rows that the stream had given with this one
    bool damaged;
  };
  void clear() {
    entries_.clear();
    used_ = 0;
  }
  void append(const Row& row, uint64_t position);
  void sort_by_position();
  size_t size() const { return entries_.size(); }
  Entry& entry(size_t i) { return entries_[i]; }
  const Entry& entry(size_t i) const { return entries_[i]; }
  Row row(size_t i) const {
    const Entry& entry = entries_[i];
    return {{bytes_.get() + entry.offset, entry.size}, entry.origin, entry.damaged};
  }
  size_t bytes() const { return used_; }

 private:
  void grow(size_t more);
  std::unique_ptr<std::byte[]> bytes_;
  size_t used_ = 0, capacity_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace ferry::dataset
