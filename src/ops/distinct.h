// Which of many things are equal: an open table of their numbers.
#pragma once

#include <bit>
#include <cstdint>
#include <random>
#include <vector>

#include "ferry/tensor.h"
#include "ops/types.h"

namespace ferry::ops {

// Mixed with a number of this process, so that nobody outside can choose values that collide.
inline uint64_t mix(uint64_t x) {
  static const uint64_t secret = (uint64_t{std::random_device{}()} << 32) | std::random_device{}() | 1;
  const auto wide = static_cast<unsigned __int128>(x ^ secret) * 0x9e3779b97f4a7c15u;
  return static_cast<uint64_t>(wide) ^ static_cast<uint64_t>(wide >> 64);
}

class Distinct {
 public:
  explicit Distinct(size_t most) : slots_(std::bit_ceil(most * 2 + 2), -1) {}

  // The first number that was added and equals this one; added itself where there is none. At most as many as the constructor says.
  template <class Equal>
  int64_t find_or_add(uint64_t hash, int64_t number, Equal&& equal) {
    int64_t& slot = find(hash, equal);
    if (slot < 0) slot = number;
    return slot;
  }
  template <class Equal>
  bool has(uint64_t hash, Equal&& equal) {
    return find(hash, equal) >= 0;
  }

 private:
  template <class Equal>
  int64_t& find(uint64_t hash, Equal&& equal) {
    const size_t mask = slots_.size() - 1;
    size_t at = static_cast<size_t>(hash) & mask;
    while (slots_[at] >= 0 && !equal(slots_[at])) at = (at + 1) & mask;
    return slots_[at];
  }
  std::vector<int64_t> slots_;
};

// Elements of a tensor by number: hash and equality as of their values (0 and -0 are equal, NaN is equal to nothing).
template <class T>
struct ElementsOf {
  const T* data;
  uint64_t hash(int64_t i) const {
    if constexpr (std::is_floating_point_v<Arithmetic<T>>) {
      const double value = static_cast<double>(to_arithmetic(data[i]));
      return mix(std::bit_cast<uint64_t>(value == 0 ? 0.0 : value));
    } else if constexpr (is_complex_v<T>) {
      return mix(std::bit_cast<uint64_t>(static_cast<double>(data[i].real()) + 0.0)) ^
             std::bit_cast<uint64_t>(static_cast<double>(data[i].imag()) + 0.0);
    } else {
      return mix(static_cast<uint64_t>(to_arithmetic(data[i])));
    }
  }
  bool equal(int64_t i, int64_t j) const { return to_arithmetic(data[i]) == to_arithmetic(data[j]); }
  bool equal(int64_t i, const ElementsOf& other, int64_t j) const { return to_arithmetic(data[i]) == to_arithmetic(other.data[j]); }
};
struct StringsOf {
  StringsView data;
  uint64_t hash(int64_t i) const {
    const std::string_view text = data[i];
    uint64_t out = text.size();
    for (size_t at = 0; at < text.size(); at += 8) {
      uint64_t word = 0;
      for (size_t k = 0; k < 8 && at + k < text.size(); ++k) word |= uint64_t{static_cast<uint8_t>(text[at + k])} << (8 * k);
      out = mix(out ^ word) + out * 31;
    }
    return mix(out);
  }
  bool equal(int64_t i, int64_t j) const { return data[i] == data[j]; }
  bool equal(int64_t i, const StringsOf& other, int64_t j) const { return data[i] == other.data[j]; }
};

// Calls f with the ElementsOf or StringsOf each of the tensors, which have one dtype.
template <class List, class F, class... Tensors>
bool with_elements(F&& f, const DenseTensor& first, const Tensors&... more) {
  if (first.is_string()) {
    f(StringsOf{first.strings()}, StringsOf{more.strings()}...);
    return true;
  }
  return with_type(first.dtype(), List{}, [&]<class T>(TypeTag<T>) {
    f(ElementsOf<T>{first.values<T>().data()}, ElementsOf<T>{more.template values<T>().data()}...);
  });
}

}  // namespace ferry::ops
