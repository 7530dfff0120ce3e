// BufferPool: blocks for one kind of work that comes again and again. What was made from them and is let go, in whatever
// thread, is there for the next; once sizes have settled, blocks and the counts of their owners come without the system's
// allocator.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "ferry/buffer.h"

namespace ferry {

namespace detail {
struct PoolState;
}

// As MutableBuffer: moves only, 64-byte aligned, not initialised. Frozen, it goes back with the last Buffer on it; else at once.
class PooledBuffer {
 public:
  PooledBuffer() = default;
  PooledBuffer(PooledBuffer&& other) noexcept { swap(other); }
  PooledBuffer& operator=(PooledBuffer&& other) noexcept {
    PooledBuffer(std::move(other)).swap(*this);
    return *this;
  }
  ~PooledBuffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  template <class T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(data_), size_ / sizeof(T)};
  }

  // Keeps the first min(size, old size) bytes. Not of an empty one, which knows no pool.
  Status resize(size_t size);
  void truncate(size_t size) {
    FERRY_ASSERT(size <= size_);
    size_ = size;
  }
  Buffer freeze() &&;

 private:
  friend class BufferPool;
  friend struct detail::PoolState;
  void swap(PooledBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    std::swap(pool_, other.pool_);
  }
  std::byte* data_ = nullptr;
  size_t size_ = 0, capacity_ = 0;
  detail::PoolState* pool_ = nullptr;
};

// Thread-safe. Blocks may outlive the pool.
class BufferPool {
 public:
  explicit BufferPool(size_t keep_bytes = size_t{256} << 20);  // most that lies idle
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();
  Result<PooledBuffer> allocate(size_t size);

 private:
  detail::PoolState* state_;
};

}  // namespace ferry
