// Values of which nobody says how many there will be. Like a vector, but the new ones are not set to zero, memory comes from Buffer's
// blocks, and the whole becomes a Buffer without a copy.
#pragma once

#include <algorithm>
#include <cstddef>

#include "ferry/buffer.h"
#include "ferry/status.h"

namespace ferry::json {

template <class T>
class Growing {
 public:
  size_t size() const { return size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  // Room for some more values at the end; `likely` is a guess at how many will come in all.
  Status grow(size_t likely = 0) { return reserve(std::max({kFirst, 2 * size_, std::min(likely, 8 * size_)})); }
  Status reserve(size_t capacity) {
    block_.truncate(size_ * sizeof(T));  // what lies behind is not copied
    FERRY_RETURN_IF_ERROR(block_.resize(capacity * sizeof(T)));
    capacity_ = capacity;
    return {};
  }
  T* room() { return data() + size_; }
  size_t room_size() const { return capacity_ - size_; }
  void took(size_t count) { size_ += count; }
  Status push(T value) {
    if (size_ == capacity_) FERRY_RETURN_IF_ERROR(grow());
    *room() = value;
    ++size_;
    return {};
  }
  Buffer freeze() && {
    block_.truncate(size_ * sizeof(T));
    return std::move(block_).freeze();
  }

 private:
  static constexpr size_t kFirst = 16;
  T* data() { return reinterpret_cast<T*>(block_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(block_.data()); }
  MutableBuffer block_;
  size_t size_ = 0, capacity_ = 0;
};

}  // namespace ferry::json
