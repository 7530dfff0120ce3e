#include "dataset/random.h"

#include <bit>
#include <numeric>
#include <utility>

namespace ferry::dataset {

Permutation::Permutation(uint64_t size, Random random) : size_(size) {
  if (size <= kListed) {
    list_.resize(size);
    std::iota(list_.begin(), list_.end(), 0u);
    for (uint64_t left = size; left > 1; --left) std::swap(list_[left - 1], list_[random.below(size - left, left)]);
    return;
  }
  half_bits_ = (static_cast<int>(std::bit_width(size - 1)) + 1) / 2;
  for (uint64_t round = 0; round < 8; ++round) keys_[round] = random.at(round);
}

uint64_t Permutation::walk(uint64_t i) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  do {
    uint64_t left = i >> half_bits_, right = i & mask;
    for (const uint64_t key : keys_) {
      const uint64_t next = left ^ (mix(right ^ key) & mask);
      left = right;
      right = next;
    }
    i = left << half_bits_ | right;
  } while (i >= size_);
  return i;
}

}  // namespace ferry::dataset
