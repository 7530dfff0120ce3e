// Random numbers that are a function of (seed, position): nothing to save but a count, and any position is reached at once.
// Every order that a Dataset makes comes from these few lines; changing one changes the order of everybody's data.
//
//   at(i)     = mix(seed + (i + 1) * 0x9e3779b97f4a7c15)              SplitMix64
//   below(n)  = high 64 bits of at(i) * n                              (bias below n / 2^64)
//   of pass p = mix(seed ^ mix(p + 0x632be59bd9b4e19b))                where shuffles differ from pass to pass
#pragma once

#include <cstdint>
#include <vector>

namespace ferry::dataset {

constexpr uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

class Random {
 public:
  explicit constexpr Random(uint64_t seed = 0) : seed_(seed) {}
  static constexpr Random of_pass(uint64_t seed, uint64_t pass) { return Random(mix(seed ^ mix(pass + 0x632be59bd9b4e19bu))); }
  constexpr uint64_t at(uint64_t i) const { return mix(seed_ + (i + 1) * 0x9e3779b97f4a7c15u); }
  constexpr uint64_t below(uint64_t i, uint64_t n) const {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(at(i)) * n) >> 64);
  }

 private:
  uint64_t seed_;
};

// A permutation of [0, size). Up to kListed elements it is a list, shuffled by Fisher and Yates from the back with below();
// beyond, a Feistel network of eight rounds over the next power of four, walked until it lands inside: no memory, any place at once.
class Permutation {
 public:
  static constexpr uint64_t kListed = uint64_t{1} << 20;
  Permutation() = default;
  Permutation(uint64_t size, Random random);
  uint64_t size() const { return size_; }
  uint64_t at(uint64_t i) const { return list_.empty() ? walk(i) : list_[i]; }

 private:
  uint64_t walk(uint64_t i) const;
  uint64_t size_ = 0;
  int half_bits_ = 0;
  uint64_t keys_[8] = {};
  std::vector<uint32_t> list_;
};

}  // namespace ferry::dataset
