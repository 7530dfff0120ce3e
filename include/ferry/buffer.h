// Buffer: shared, immutable bytes with an owner (heap block, mapped file, Python object). Copying one copies a pointer.
// MutableBuffer: a fresh block that one function fills and then freezes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "ferry/status.h"

namespace ferry {

inline constexpr size_t kAlignment = 64;  // of every block we allocate: one cache line, one AVX-512 register

// Thread-safe: the bytes never change while a Buffer lives, the count of owners is atomic.
class Buffer {
 public:
  Buffer() = default;
  // `owner` is released with the last Buffer that points into the bytes.
  static Buffer adopt(const void* data, size_t size, std::shared_ptr<const void> owner) {
    return Buffer(static_cast<const std::byte*>(data), size, std::move(owner));
  }
  // The same of a mapped file, or a part of one.
  static Buffer adopt_mapped(const void* data, size_t size, std::shared_ptr<const void> owner) {
    Buffer out = adopt(data, size, std::move(owner));
    out.mapped_ = true;
    return out;
  }
  // Owns nothing: the caller keeps the bytes alive as long as any copy of the Buffer, or of a tensor made from it.
  static Buffer borrow(const void* data, size_t size) { return Buffer(static_cast<const std::byte*>(data), size, nullptr); }
  static Result<Buffer> copy_of(std::span<const std::byte> bytes);
  static Result<Buffer> copy_of(std::string_view text) { return copy_of(std::as_bytes(std::span(text))); }

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  template <class T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data_), size_ / sizeof(T)};
  }
  bool is_aligned(size_t alignment) const { return reinterpret_cast<uintptr_t>(data_) % alignment == 0; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

  // Shares the owner. `offset + size` is within this buffer.
  Buffer slice(size_t offset, size_t size) const {
    Buffer out(data_ + offset, size, owner_);
    out.mapped_ = mapped_;
    return out;
  }
  bool is_mapped() const { return mapped_; }
  // Of a mapped file: its pages under these bytes no longer count as memory of the process, and come back from the file when someone looks
  // at them again. What a foreign library wrote to them behind our back is lost. Of anything else: nothing happens.
  void drop_pages() const;
  // Itself where the start is aligned, else an aligned copy.
  Result<Buffer> aligned(size_t alignment) const;

 private:
  Buffer(const std::byte* data, size_t size, std::shared_ptr<const void> owner) : data_(data), size_(size), owner_(std::move(owner)) {}
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::shared_ptr<const void> owner_;
  bool mapped_ = false;
};

// Moves only. 64-byte aligned; the bytes are not initialised unless asked for.
class MutableBuffer {
 public:
  MutableBuffer() = default;
  static Result<MutableBuffer> allocate(size_t size);
  static Result<MutableBuffer> zeroed(size_t size);
  template <class T>
  static Result<MutableBuffer> of(size_t count) {
    size_t size;
    if (__builtin_mul_overflow(count, sizeof(T), &size)) return limit_exceeded("a buffer larger than the address space was asked for");
    return allocate(size);
  }
  MutableBuffer(MutableBuffer&& other) noexcept { swap(other); }
  MutableBuffer& operator=(MutableBuffer&& other) noexcept {
    MutableBuffer(std::move(other)).swap(*this);
    return *this;
  }
  ~MutableBuffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  template <class T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(data_), size_ / sizeof(T)};
  }

  // Keeps the first min(size, old size) bytes. Amortised growth is the caller's: ask for the capacity you want.
  Status resize(size_t size);
  // Gives up the tail without moving anything.
  void truncate(size_t size) {
    FERRY_ASSERT(size <= size_);
    size_ = size;
  }
  Buffer freeze() &&;

 private:
  void swap(MutableBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// Gives the blocks that are kept for reuse (see buffer.cc) back to the system.
void release_cached_memory();

}  // namespace ferry
