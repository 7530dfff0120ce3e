#include "ferry/buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace ferry {
namespace {

// Blocks of 1 MiB and more come straight from mmap on huge pages, and a few are kept when freed: a fresh block costs
// a page fault per 4 KiB (0.4 GB/s on virtual machines, a twentieth of memcpy), a kept one nothing. Like malloc's own
// arena this is process-wide, because memory is; it holds no more than kKeep bytes.
constexpr size_t kLarge = size_t{1} << 20;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kKeep = size_t{256} << 20;

struct Block {
  std::byte* data;
  size_t capacity;
};

class LargeBlocks {
 public:
  // Empty data where the system has no memory left.
  Block take(size_t size) {
    const size_t capacity = (size + kHugePage - 1) / kHugePage * kHugePage;
    if (capacity < size) return {};
    {
      std::lock_guard lock(mutex_);
      // Best fit that wastes at most a quarter.
      auto best = kept_.end();
      for (auto it = kept_.begin(); it != kept_.end(); ++it) {
        if (it->capacity >= capacity && it->capacity <= capacity + capacity / 4 && (best == kept_.end() || it->capacity < best->capacity)) {
          best = it;
        }
      }
      if (best != kept_.end()) {
        const Block block = *best;
        kept_.erase(best);
        kept_bytes_ -= block.capacity;
        return block;
      }
    }
    // Over-map by a huge page and cut both ends, so that the block starts on one.
    void* raw = mmap(nullptr, capacity + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) return {};
    auto* start = static_cast<std::byte*>(raw);
    const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(start) % kHugePage) % kHugePage;
    if (before > 0) munmap(start, before);
    if (before < kHugePage) munmap(start + before + capacity, kHugePage - before);
    madvise(start + before, capacity, MADV_HUGEPAGE);
    return {start + before, capacity};
  }

  void give(Block block) {
    std::vector<Block> evicted;
    if (block.capacity > kKeep) {
      evicted.push_back(block);
    } else {
      std::lock_guard lock(mutex_);
      // The oldest make room: what was just freed is the likeliest to be asked for again.
      size_t oldest = 0;
      for (; kept_bytes_ + block.capacity > kKeep; ++oldest) kept_bytes_ -= kept_[oldest].capacity;
      const auto end = kept_.begin() + static_cast<ptrdiff_t>(oldest);
      evicted.assign(kept_.begin(), end);
      kept_.erase(kept_.begin(), end);
      kept_.push_back(block);
      kept_bytes_ += block.capacity;
    }
    for (Block old : evicted) munmap(old.data, old.capacity);
  }

  void release() {
    std::vector<Block> blocks;
    {
      std::lock_guard lock(mutex_);
      blocks.swap(kept_);
      kept_bytes_ = 0;
    }
    for (Block block : blocks) munmap(block.data, block.capacity);
  }

 private:
  std::mutex mutex_;
  std::vector<Block> kept_;
  size_t kept_bytes_ = 0;
};

LargeBlocks& large_blocks() {
  static auto* blocks = new LargeBlocks;  // never destroyed: buffers may outlive static objects
  return *blocks;
}

// Most that one block may ask for: what the machine has. More would be granted by the kernel and killed on first touch.
size_t physical_memory() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
  return bytes;
}

Block take_block(size_t size) {
  if (size > physical_memory()) return {};
  if (size > kLarge - kAlignment) return large_blocks().take(size);
  const size_t capacity = std::max(kAlignment, (size + kAlignment - 1) / kAlignment * kAlignment);
  return {static_cast<std::byte*>(std::aligned_alloc(kAlignment, capacity)), capacity};
}

void give_block(Block block) {
  if (block.capacity >= kLarge) {
    large_blocks().give(block);
  } else {
    std::free(block.data);
  }
}

Status out_of_memory(size_t size) {
  return limit_exceeded(concat(size, " bytes are needed, more than the memory of this machine can give"));
}

}  // namespace

Result<Buffer> Buffer::copy_of(std::span<const std::byte> bytes) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer copy, MutableBuffer::allocate(bytes.size()));
  if (!bytes.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
  return std::move(copy).freeze();
}

Result<Buffer> Buffer::aligned(size_t alignment) const {
  if (is_aligned(alignment)) return *this;
  constexpr size_t kPiece = size_t{4} << 20;
  if (!mapped_ || size_ < kPiece) return copy_of(bytes());
  // The copy is what is looked at from here on: a mapped file's pages are let go behind it.
  FERRY_ASSIGN_OR_RETURN(MutableBuffer copy, MutableBuffer::allocate(size_));
  for (size_t at = 0; at < size_; at += kPiece) {
    const Buffer piece = slice(at, std::min(kPiece, size_ - at));
    std::memcpy(copy.data() + at, piece.data(), piece.size());
    piece.drop_pages();
  }
  return std::move(copy).freeze();
}

void Buffer::drop_pages() const {
  if (!mapped_ || size_ == 0) return;
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data_) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data_) + size_ + page - 1) / page * page;
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Result<MutableBuffer> MutableBuffer::allocate(size_t size) {
  const Block block = take_block(size);
  if (block.data == nullptr) return out_of_memory(size);
  MutableBuffer out;
  out.data_ = block.data;
  out.size_ = size;
  out.capacity_ = block.capacity;
  return out;
}

Result<MutableBuffer> MutableBuffer::zeroed(size_t size) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, allocate(size));
  std::memset(out.data(), 0, size);
  return out;
}

MutableBuffer::~MutableBuffer() {
  if (data_ != nullptr) give_block({data_, capacity_});
}

Status MutableBuffer::resize(size_t size) {
  if (size <= capacity_) {
    size_ = size;
    return {};
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer grown, allocate(size));
  if (size_ > 0) std::memcpy(grown.data_, data_, size_);
  swap(grown);
  return {};
}

Buffer MutableBuffer::freeze() && {
  const Block block{data_, capacity_};
  const size_t size = size_;
  data_ = nullptr;
  size_ = capacity_ = 0;
  return Buffer::adopt(block.data, size, std::shared_ptr<const void>(block.data, [block](const void*) { give_block(block); }));
}

void release_cached_memory() { large_blocks().release(); }

}  // namespace ferry
