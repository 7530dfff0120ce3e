// Records in an order of chance, more of them than memory holds.
//
// Record i has the key mix(seed, i); records come out by key. So the order depends on the seed and on the order they came in, and on
// nothing else: not on the memory, and every order is as likely as any other. What does not fit is sorted, written to a nameless
// file a run at a time, and merged.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ferry/buffer.h"
#include "ferry/status.h"

namespace ferry::records {

// The same for every platform and version: scripts rely on what it decides.
constexpr uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}
constexpr uint64_t random_key(uint64_t seed, uint64_t i) { return mix(mix(seed + 0x9e3779b97f4a7c15u) + i * 0x9e3779b97f4a7c15u); }

// Not thread-safe.
class ExternalShuffle {
 public:
  struct Options {
    uint64_t seed = 0;
    uint64_t memory = uint64_t{256} << 20;  // of records held, at least 1 MiB and one record
    std::string folder = ".";               // for what does not fit; nothing stays there
  };
  explicit ExternalShuffle(Options options);
  ~ExternalShuffle();
  ExternalShuffle(const ExternalShuffle&) = delete;
  ExternalShuffle& operator=(const ExternalShuffle&) = delete;

  Status add(std::span<const std::byte> record);
  // Gives every record once, then holds none.
  Status drain(const std::function<Status(std::span<const std::byte>)>& give);
  uint64_t records() const { return count_; }
  size_t runs() const { return runs_.size(); }  // written so far

 private:
  struct Entry {
    uint64_t key, number;
    const std::byte* data;
    uint64_t size;
    bool operator<(const Entry& other) const { return key != other.key ? key < other.key : number < other.number; }
  };
  struct Run {
    uint64_t begin, end;  // in the file
  };
  class RunReader;
  Result<std::byte*> room(uint64_t size);
  Status spill();
  Status merge(const std::function<Status(std::span<const std::byte>)>& give);
  void forget();

  Options options_;
  std::vector<Entry> entries_;
  std::vector<MutableBuffer> chunks_;
  uint64_t chunk_used_ = 0, held_ = 0, count_ = 0;
  int fd_ = -1;
  uint64_t file_end_ = 0;
  std::vector<Run> runs_;
};

}  // namespace ferry::records
