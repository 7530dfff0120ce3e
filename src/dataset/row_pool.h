// Bytes of rows that are kept for a while in any order: pieces of a few sizes cut from large blocks, given back and cut again.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "dataset/row.h"

namespace ferry::dataset {

// Not thread-safe. At most a quarter more than the rows take, besides what rows of other sizes took before; rows past kLarge come
// from the heap.
class RowPool {
 public:
  struct Kept {
    std::byte* data = nullptr;
    uint32_t size_class = 0;
    bool damaged = false;
    size_t size = 0;
    Origin origin;
    Row row() const { return {{data, size}, origin, damaged}; }
  };
  RowPool() = default;
  RowPool(const RowPool&) = delete;
  RowPool& operator=(const RowPool&) = delete;
  ~RowPool();
  Kept keep(const Row& row);
  void give_back(Kept& kept);

 private:
  static constexpr size_t kBlock = size_t{256} << 10, kLarge = size_t{32} << 10;
  static constexpr uint32_t kOnHeap = UINT32_MAX;
  static uint32_t class_of(size_t size);
  static size_t class_size(uint32_t size_class);
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::byte* at_ = nullptr;
  size_t left_ = 0;
  std::vector<std::byte*> free_;  // the first of each class; each begins with a pointer to the next
};

}  // namespace ferry::dataset
