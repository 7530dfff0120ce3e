// Growing<T>: elements appended into a block that doubles; frozen without a copy.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>

#include "ferry/buffer.h"

namespace ferry::records {

template <class T>
class Growing {
 public:
  size_t size() const { return size_; }
  T* data() { return reinterpret_cast<T*>(block_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(block_.data()); }
  // Room for `more` elements after the last; the caller writes at end() and then commits.
  Status reserve(size_t more) {
    if (more <= capacity_ - size_) [[likely]]
      return {};
    return grow(more);
  }
  T* end() { return data() + size_; }
  void commit(size_t count) { size_ += count; }
  Status append(T value) {
    FERRY_RETURN_IF_ERROR(reserve(1));
    *end() = value;
    ++size_;
    return {};
  }
  Status append_many(T value, size_t count) {
    FERRY_RETURN_IF_ERROR(reserve(count));
    std::fill_n(end(), count, value);
    size_ += count;
    return {};
  }
  void truncate(size_t size) { size_ = size; }
  Buffer freeze() && {
    block_.truncate(size_ * sizeof(T));
    return std::move(block_).freeze();
  }

 private:
  Status grow(size_t more) {
    const size_t wanted = std::max({size_ + more, 2 * capacity_, size_t{64} / sizeof(T)});
    if (wanted < more || wanted > SIZE_MAX / sizeof(T) / 2) return limit_exceeded("a column larger than the address space");
    FERRY_RETURN_IF_ERROR(block_.resize(wanted * sizeof(T)));
    capacity_ = wanted;
    return {};
  }
  MutableBuffer block_;
  size_t size_ = 0, capacity_ = 0;
};

}  // namespace ferry::records
