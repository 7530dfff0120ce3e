// Memory of tensors that nobody holds any more, used again for the next ones: a stream of batches allocates nothing once it runs.
#pragma once

#include <cstddef>
#include <memory>

#include "ferry/buffer.h"
#include "ferry/status.h"

namespace ferry::dataset {

// Thread-safe. Blocks come back when the last Buffer of them goes, whichever thread drops it, and may outlive the pool.
class Recycler {
 public:
  Recycler();
  ~Recycler();

  // A block to fill, and then freeze. Moves only; one that is not frozen goes back.
  class Block {
   public:
    Block() = default;
    Block(Block&& other) noexcept : slab_(std::exchange(other.slab_, nullptr)), pool_(std::move(other.pool_)) {}
    Block& operator=(Block&& other) noexcept {
      std::swap(slab_, other.slab_);
      std::swap(pool_, other.pool_);
      return *this;
    }
    ~Block();
    std::byte* data();
    size_t capacity() const;
    template <class T>
    T* as() {
      return reinterpret_cast<T*>(data());
    }
    // The first `size` bytes.
    Buffer freeze(size_t size) &&;

   private:
    friend class Recycler;
    struct Slab* slab_ = nullptr;
    std::shared_ptr<struct Pool> pool_;
  };
  Result<Block> take(size_t size);
  // The same, holding what the other held, which is given up.
  Result<Block> grow(Block block, size_t used, size_t size);

 private:
  std::shared_ptr<struct Pool> pool_;
};

}  // namespace ferry::dataset
