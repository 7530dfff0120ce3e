// What a kernel works out from inputs that hardly ever change (keys, defaults), kept as long as they are the same.
#pragma once

#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "ops/kernel.h"

namespace ferry::ops {

// The same elements. Constants come as the same memory each time, which is told without looking at it.
inline bool same_elements(const DenseTensor& a, const DenseTensor& b) {
  const auto same = [](const Buffer& x, const Buffer& y) {
    if (x.size() != y.size()) return false;
    if (x.data() == y.data() && x.owner() != nullptr && x.owner() == y.owner()) return true;
    return x.empty() || std::memcmp(x.data(), y.data(), x.size()) == 0;
  };
  return a.dtype() == b.dtype() && a.shape() == b.shape() && same(a.buffer(), b.buffer()) && same(a.string_bytes(), b.string_bytes());
}

// Thread-safe. Holds the inputs, so that their memory is not written anew meanwhile.
template <class T>
class Remembered {
 public:
  // What `make(call)` gave for these inputs [begin, end), anew where they changed.
  template <class Make>
  Result<std::shared_ptr<T>> get(const Call& call, size_t begin, size_t end, Make&& make) const {
    {
      const std::scoped_lock lock(mutex_);
      if (made_ != nullptr && same(call, begin, end)) return made_;
    }
    auto out = make(call);
    if (!out.ok()) return out.status();
    std::vector<DenseTensor> inputs;
    for (size_t i = begin; i < end; ++i) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor kept, own(call.in(i)));
      inputs.push_back(std::move(kept));
    }
    const std::scoped_lock lock(mutex_);
    inputs_ = std::move(inputs);
    made_ = std::move(out).value();
    return made_;
  }

 private:
  bool same(const Call& call, size_t begin, size_t end) const {
    if (inputs_.size() != end - begin) return false;
    for (size_t i = begin; i < end; ++i) {
      if (!same_elements(call.in(i), inputs_[i - begin])) return false;
    }
    return true;
  }
  // A copy where the bytes are the caller's, who may change them after the run.
  static Result<DenseTensor> own(const DenseTensor& x) {
    if (x.buffer().owner() != nullptr && (!x.is_string() || x.string_bytes().empty() || x.string_bytes().owner() != nullptr)) return x;
    FERRY_ASSIGN_OR_RETURN(Buffer data, Buffer::copy_of(x.buffer().bytes()));
    if (!x.is_string()) return DenseTensor::make(x.dtype(), x.shape(), std::move(data));
    FERRY_ASSIGN_OR_RETURN(Buffer heap, Buffer::copy_of(x.string_bytes().bytes()));
    return DenseTensor::make_strings(x.shape(), std::move(data), std::move(heap));
  }

  mutable std::mutex mutex_;
  mutable std::vector<DenseTensor> inputs_;
  mutable std::shared_ptr<T> made_;
};

}  // namespace ferry::ops
