#include "dataset/recycle.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

namespace ferry::dataset {

// A block, with room for the shared_ptr's bookkeeping before its bytes.
struct Slab {
  static constexpr size_t kRoom = 128;
  MutableBuffer memory;
  std::byte* data() { return memory.data() + kRoom; }
  size_t capacity() const { return memory.size() - kRoom; }
};

struct Pool {
  static constexpr size_t kMostKept = 256;
  std::mutex mutex;
  std::vector<std::unique_ptr<Slab>> free;

  Pool() { free.reserve(kMostKept); }
  void give(Slab* slab) {
    std::unique_ptr<Slab> owned(slab);
    std::lock_guard lock(mutex);
    if (free.size() < kMostKept) free.push_back(std::move(owned));
  }
};

namespace {

// Puts the bookkeeping of a shared_ptr into the slab itself, and gives the slab back when that goes.
template <class T>
struct LeaseAllocator {
  using value_type = T;
  Slab* slab;
  std::shared_ptr<Pool> pool;
  LeaseAllocator(Slab* s, std::shared_ptr<Pool> p) : slab(s), pool(std::move(p)) {}
  template <class U>
  LeaseAllocator(const LeaseAllocator<U>& other) : slab(other.slab), pool(other.pool) {}
  T* allocate(size_t count) {
    static_assert(sizeof(T) <= Slab::kRoom && alignof(T) <= kAlignment);
    FERRY_ASSERT(count == 1);
    return reinterpret_cast<T*>(slab->memory.data());
  }
  void deallocate(T*, size_t) { pool->give(slab); }
  template <class U>
  bool operator==(const LeaseAllocator<U>& other) const {
    return slab == other.slab;
  }
};

}  // namespace

Recycler::Recycler() : pool_(std::make_shared<Pool>()) {}
Recycler::~Recycler() = default;

Recycler::Block::~Block() {
  if (slab_ != nullptr) pool_->give(slab_);
}
std::byte* Recycler::Block::data() { return slab_ == nullptr ? nullptr : slab_->data(); }
size_t Recycler::Block::capacity() const { return slab_ == nullptr ? 0 : slab_->capacity(); }

Buffer Recycler::Block::freeze(size_t size) && {
  Slab* const slab = std::exchange(slab_, nullptr);
  FERRY_ASSERT(slab != nullptr && size <= slab->capacity());
  std::shared_ptr<const void> owner(
      static_cast<const void*>(slab->data()), [](const void*) {}, LeaseAllocator<std::byte>(slab, std::move(pool_)));
  return Buffer::adopt(slab->data(), size, std::move(owner));
}

Result<Recycler::Block> Recycler::take(size_t size) {
  Block out;
  out.pool_ = pool_;
  std::unique_ptr<Slab> too_small;
  {
    std::lock_guard lock(pool_->mutex);
    auto& free = pool_->free;
    // Best fit, as long as it is not much too large for the rest to be wasted.
    const size_t most = 2 * size + (size_t{64} << 10);
    auto best = free.end(), near = free.end();
    for (auto it = free.begin(); it != free.end(); ++it) {
      const size_t capacity = (*it)->capacity();
      if (capacity >= size && capacity <= most && (best == free.end() || capacity < (*best)->capacity())) best = it;
      if (capacity < size && capacity >= size / 4 && (near == free.end() || capacity > (*near)->capacity())) near = it;
    }
    if (best != free.end()) {
      out.slab_ = best->release();
      std::swap(*best, free.back());
      free.pop_back();
    } else if (near != free.end()) {  // what was for a somewhat smaller tensor makes room
      std::swap(*near, free.back());
      too_small = std::move(free.back());
      free.pop_back();
    }
  }
  if (out.slab_ != nullptr) return out;
  too_small.reset();
  // A quarter more, so that batches of about the same size need no new block.
  auto slab = std::make_unique<Slab>();
  FERRY_ASSIGN_OR_RETURN(slab->memory, MutableBuffer::allocate(Slab::kRoom + size + size / 4));
  out.slab_ = slab.release();
  return out;
}

Result<Recycler::Block> Recycler::grow(Block block, size_t used, size_t size) {
  if (size <= block.capacity()) return block;
  FERRY_ASSIGN_OR_RETURN(Block larger, take(std::max(size, block.capacity() + block.capacity() / 2)));
  if (used > 0) std::memcpy(larger.data(), block.data(), used);
  return larger;
}

}  // namespace ferry::dataset
