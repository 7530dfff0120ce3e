// Tensor bundles: TensorFlow's checkpoints since 2016 (Saver's V2, tf.train.Checkpoint, a SavedModel's variables).
// A table of entries in PREFIX.index, the elements in PREFIX.data-00000-of-00001 and its like beside it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/format.h"
#include "formats/ckpt/entry.h"
#include "wire/sorted_table.h"

namespace ferry::ckpt {

inline constexpr std::string_view kIndexSuffix = ".index";

inline std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }  // npos + 1 is 0
std::string shard_numbers(int64_t shard, int64_t shards);                                              // -00003-of-00010
// PREFIX.data-00003-of-00010
std::string shard_name(std::string_view prefix, int64_t shard, int64_t shards);

// The data files of one checkpoint, opened when they are needed. Thread-safe.
class Shards {
 public:
  Shards(const ByteSource& index, int64_t count);
  int64_t count() const { return static_cast<int64_t>(files_.size()); }
  std::string name(int64_t shard) const;
  Result<std::shared_ptr<const ByteSource>> open(int64_t shard) const;
  // A view, but for the first few small pieces: for these alone a file is not worth mapping.
  Result<Buffer> bytes(const ByteSource& file, uint64_t offset, uint64_t size) const;

 private:
  std::shared_ptr<const Folder> folder_;
  std::string prefix_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const ByteSource>> files_;
  mutable std::atomic<int> small_ = 0;
};

// Objects of the program that wrote them (iterators' states, lists), which nothing else can read.
inline bool is_skipped(DType dtype) { return dtype == DType::variant || dtype == DType::resource; }

// Entries by name and the tensors that they describe, without a listing. Thread-safe.
class Bundle {
 public:
  // `index` is the file that `table` is of, `header` the table's first value.
  static Result<std::shared_ptr<const Bundle>> open(std::shared_ptr<const ByteSource> index, SortedTable table,
                                                    std::span<const std::byte> header, const ReadOptions& options);
  const SortedTable& table() const { return table_; }
  std::string shard_name(int64_t shard) const { return shards_.name(shard); }
  bool streaming() const { return streaming_; }
  bool checks() const { return checks_; }  // crcs, where nobody trusts the file

  Result<std::optional<Entry>> find(std::string_view name) const;
  static Result<DType> dtype_of(const Entry& entry);
  // Place and size of what an entry describes, or its pieces, fit its shape.
  Status check(const Entry& entry, DType dtype) const;
  // The entry has been checked.
  Result<DenseTensor> read(std::string_view name, const Entry& entry, DType dtype, bool check_crc) const;
  // The entry of one slice, which has a key of its own.
  Result<Entry> piece(std::string_view name, const Entry& entry, const Slice& slice, const Shape& shape) const;

 private:
  Bundle(const ByteSource& index, SortedTable table, int64_t shards, const ReadOptions& options)
      : table_(std::move(table)),
        shards_(index, shards),
        limits_(options.limits),
        checks_(options.validation != Validation::trust),
        pool_(options.pool),
        streaming_(options.streaming) {}
  Status check_bytes(const Entry& entry, DType dtype) const;
  Result<DenseTensor> read_whole(const Entry& entry, DType dtype, bool check) const;
  Result<DenseTensor> read_pieces(std::string_view name, const Entry& entry, DType dtype, bool check) const;

  SortedTable table_;
  Shards shards_;
  Limits limits_;
  bool checks_;
  ThreadPool* pool_;
  bool streaming_;
};

// All of its tensors.
Result<std::unique_ptr<ArrayReader>> list_bundle(std::shared_ptr<const Bundle> bundle, const Limits& limits);

}  // namespace ferry::ckpt
