// Sorted string tables: keys in order, each with a value, as LevelDB writes them and TensorFlow its checkpoints' indexes.
//
//   block*    entries: varint bytes shared with the key before, varint further bytes, varint bytes of the value, key, value;
//             then where every sixteenth or so entry begins, which shares nothing (uint32 each), and how many those are (uint32)
//   trailer   behind each block: 0 (plain) or 1 (snappy), and the masked crc32c of the block and that byte
//   index     a block whose values are the places of the others: varint offset, varint size; keys not below their last
//   footer    48 bytes: places of a block of no use here and of the index, padded; db4775248b80fb57
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/buffer.h"
#include "ferry/limits.h"
#include "ferry/status.h"

namespace ferry {

inline constexpr size_t kSortedTableFooter = 48;
inline constexpr uint64_t kSortedTableMagic = 0xdb4775248b80fb57u;  // its last eight bytes

// Whether bytes end as a table does.
bool ends_like_sorted_table(std::span<const std::byte> tail);

// The entries of one block, in order.
//   while (in.next()) use(in.key(), in.value());
//   FERRY_RETURN_IF_ERROR(in.status());
// key() is good until the next next(), value() as long as the block.
class BlockCursor {
 public:
  // `base`: where the block begins in its file, for errors; of an expanded block, where the compressed one does.
  BlockCursor(std::span<const std::byte> block, uint64_t base, const Limits& limits);

  bool next();
  // Moves to the first entry whose key is not below `key`; false where there is none.
  bool seek(std::string_view key);
  std::string_view key() const { return key_; }
  std::span<const std::byte> value() const { return value_; }
  const Status& status() const { return status_; }

 private:
  bool fail(std::string message);
  std::span<const std::byte> entries_, restarts_, value_;
  uint64_t base_, at_ = 0, most_key_;
  std::string key_;
  Status status_;
};

// Thread-safe: nothing changes after open() but which blocks are known to be sound.
class SortedTable {
 public:
  // Reads footer and index; `file` is shared.
  static Result<SortedTable> open(Buffer file, const Limits& limits = {});

  size_t num_blocks() const { return blocks_.size(); }
  uint64_t file_bytes() const { return file_.size(); }
  // Its contents, checked against their crc and expanded.
  Result<Buffer> block(size_t i) const;
  BlockCursor entries(size_t i, const Buffer& block) const { return BlockCursor(block.bytes(), blocks_[i].offset, limits_); }
  // The value of a key, which keeps its block alive; nothing where the table has no such key. A block is checked the first time only,
  // and an expanded one kept while there is not much of them.
  Result<std::optional<Buffer>> find(std::string_view key) const;

 private:
  struct Block {
    uint64_t offset, size;
    std::string last_key;  // or one after it
  };
  struct Seen {
    std::mutex mutex;
    std::vector<Buffer> blocks;
    uint64_t expanded = 0;
  };
  Result<Buffer> contents(uint64_t offset, uint64_t size) const;
  Result<Buffer> seen_block(size_t i) const;
  Buffer file_;
  Limits limits_;
  std::vector<Block> blocks_;
  std::shared_ptr<Seen> seen_ = std::make_shared<Seen>();
};

// Keys must rise. Not thread-safe.
class SortedTableWriter {
 public:
  explicit SortedTableWriter(size_t block_bytes = 256 << 10) : block_bytes_(block_bytes) {}
  void add(std::string_view key, std::string_view value);
  std::string finish() &&;

 private:
  struct Block {
    std::string bytes, last_key;
    std::vector<uint32_t> restarts;
    int since_restart = 0;
    void add(std::string_view key, std::string_view value);
    void end();
  };
  void flush();
  std::string append(const Block& block);  // its place
  size_t block_bytes_;
  Block block_, index_;
  std::string file_;
};

}  // namespace ferry
