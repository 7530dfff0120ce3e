// A block of a pool begins with a head of 64 bytes, which holds: the MutableBuffer that the block is, so that it can be given
// back to the system; and the link to the next idle block of its size, or while a Buffer owns it the counts of its owners, so
// that sharing it needs no memory of its own.
#include "ferry/buffer_pool.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <mutex>
#include <new>

namespace ferry {
namespace detail {
namespace {

constexpr size_t kHead = 128, kCounts = 64;
constexpr size_t kClasses = 256;

struct Head {
  MutableBuffer self;
  Head* next = nullptr;
  size_t which = 0;
};
static_assert(sizeof(Head) <= kHead - kCounts);

Head* head_of(const std::byte* data) { return reinterpret_cast<Head*>(const_cast<std::byte*>(data) - kHead); }
std::byte* data_of(Head* head) { return reinterpret_cast<std::byte*>(head) + kHead; }

// Sizes rise by quarters: 256, 320, 384, 448, 512, 640 …
size_t class_of(size_t size) {
  if (size <= 256) return 0;
  const auto log = static_cast<size_t>(std::bit_width(size - 1)) - 1;  // 2^log < size <= 2^(log + 1)
  const size_t quarter = size_t{1} << (log - 2);
  return 4 * (log - 8) + (size - (size_t{1} << log) + quarter - 1) / quarter;
}
size_t class_size(size_t which) {
  if (which == 0) return 256;
  const size_t base = size_t{256} << ((which - 1) / 4);
  return base + base / 4 * ((which - 1) % 4 + 1);
}

void release(Head* head) {
  MutableBuffer self = std::move(head->self);  // out of the memory that it is about to free
  head->~Head();
}

}  // namespace

struct PoolState {
  std::mutex mutex;
  std::array<Head*, kClasses> idle{};
  size_t idle_bytes = 0, keep_bytes = 0;
  std::atomic<size_t> users{1};  // the pool, and each block that is out

  Result<PooledBuffer> take(size_t size) {
    if (size > SIZE_MAX / 4) return limit_exceeded("a buffer larger than the address space was asked for");
    const size_t wanted = class_of(size + kHead);
    Head* head = nullptr;
    {
      std::lock_guard lock(mutex);
      for (size_t which = wanted; which < std::min(wanted + 3, kClasses) && head == nullptr; ++which) {
        head = idle[which];
        if (head == nullptr) continue;
        idle[which] = head->next;
        idle_bytes -= class_size(which);
      }
    }
    if (head == nullptr) {
      FERRY_ASSIGN_OR_RETURN(MutableBuffer fresh, MutableBuffer::allocate(class_size(wanted)));
      head = new (fresh.data()) Head;
      head->self = std::move(fresh);
      head->which = wanted;
    }
    users.fetch_add(1, std::memory_order_relaxed);
    PooledBuffer out;
    out.data_ = data_of(head);
    out.size_ = size;
    out.capacity_ = class_size(head->which) - kHead;
    out.pool_ = this;
    return out;
  }

  void give(Head* head) {
    const size_t size = class_size(head->which);
    {
      std::lock_guard lock(mutex);
      if (idle_bytes + size <= keep_bytes) {
        idle_bytes += size;
        head->next = idle[head->which];
        idle[head->which] = head;
        head = nullptr;
      }
    }
    if (head != nullptr) release(head);
    drop();
  }

  void drop() {
    if (users.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    for (Head* head : idle) {
      while (head != nullptr) release(std::exchange(head, head->next));
    }
    delete this;
  }
};

namespace {

struct KeepBytes {
  void operator()(const void*) const {}  // the allocator gives the block back, once the counts in it are done with
};
template <class T>
struct CountsInHead {
  using value_type = T;
  PoolState* pool;
  Head* head;
  CountsInHead(PoolState* p, Head* h) : pool(p), head(h) {}
  template <class U>
  CountsInHead(const CountsInHead<U>& other) : pool(other.pool), head(other.head) {}
  T* allocate(size_t) {
    static_assert(sizeof(T) <= kCounts && alignof(T) <= kCounts);
    return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(head) + kHead - kCounts);
  }
  void deallocate(T*, size_t) { pool->give(head); }
  template <class U>
  bool operator==(const CountsInHead<U>& other) const {
    return head == other.head;
  }
};

}  // namespace
}  // namespace detail

PooledBuffer::~PooledBuffer() {
  if (data_ != nullptr) pool_->give(detail::head_of(data_));
}

Status PooledBuffer::resize(size_t size) {
  if (size > capacity_) {
    FERRY_ASSERT(pool_ != nullptr);
    FERRY_ASSIGN_OR_RETURN(PooledBuffer grown, pool_->take(size));
    if (size_ > 0) std::memcpy(grown.data_, data_, size_);
    swap(grown);
  }
  size_ = size;
  return {};
}

Buffer PooledBuffer::freeze() && {
  if (data_ == nullptr) return {};
  const std::byte* const data = std::exchange(data_, nullptr);
  detail::PoolState* const pool = std::exchange(pool_, nullptr);
  const size_t size = std::exchange(size_, 0);
  capacity_ = 0;
  return Buffer::adopt(
      data, size, std::shared_ptr<const void>(data, detail::KeepBytes(), detail::CountsInHead<std::byte>(pool, detail::head_of(data))));
}

BufferPool::BufferPool(size_t keep_bytes) : state_(new detail::PoolState) { state_->keep_bytes = keep_bytes; }
BufferPool::~BufferPool() { state_->drop(); }
Result<PooledBuffer> BufferPool::allocate(size_t size) { return state_->take(size); }

}  // namespace ferry
