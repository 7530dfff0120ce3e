#include "dataset/row_pool.h"

#include <bit>
#include <cstring>

namespace ferry::dataset {

// Four classes between powers of two: 16, 20, 24, 28, 32, 40, 48, 56, 64, …
uint32_t RowPool::class_of(size_t size) {
  if (size <= 16) return 0;
  const auto top = static_cast<uint32_t>(std::bit_width(size - 1)) - 1;  // 2^top < size <= 2^(top + 1)
  const uint32_t quarter = static_cast<uint32_t>((size - 1) >> (top - 2)) & 3;
  return (top - 4) * 4 + quarter + 1;
}
size_t RowPool::class_size(uint32_t size_class) {
  const size_t base = size_t{16} << (size_class / 4);
  return (base + base / 4 * (size_class % 4) + 7) & ~size_t{7};
}

RowPool::~RowPool() = default;

RowPool::Kept RowPool::keep(const Row& row) {
  Kept out;
  out.size = row.bytes.size();
  out.origin = row.origin;
  out.damaged = row.damaged;
  if (out.size > kLarge) {
    out.size_class = kOnHeap;
    out.data = new std::byte[out.size];
  } else {
    out.size_class = class_of(out.size);
    if (out.size_class >= free_.size()) free_.resize(out.size_class + 1);
    if (std::byte*& first = free_[out.size_class]; first != nullptr) {
      out.data = first;
      std::memcpy(&first, out.data, sizeof(first));
    } else {
      const size_t size = class_size(out.size_class);
      if (left_ < size) {
        blocks_.emplace_back(new std::byte[kBlock]);
        at_ = blocks_.back().get();
        left_ = kBlock;
      }
      out.data = at_;
      at_ += size;
      left_ -= size;
    }
  }
  if (out.size > 0) std::memcpy(out.data, row.bytes.data(), out.size);
  return out;
}

void RowPool::give_back(Kept& kept) {
  if (kept.data == nullptr) return;
  if (kept.size_class == kOnHeap) {
    delete[] kept.data;
  } else {
    std::memcpy(kept.data, &free_[kept.size_class], sizeof(std::byte*));
    free_[kept.size_class] = kept.data;
  }
  kept.data = nullptr;
}

}  // namespace ferry::dataset
