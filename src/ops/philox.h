// Philox 4x32-10 (Salmon et al., 2011), the counter-based generator whose numbers TensorFlow's random ops are made of: the same key and
// counter give the same numbers anywhere, and any place of the stream is reached at once.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>

#include "ops/kernel.h"

namespace ferry::ops {

class Philox {
 public:
  using Block = std::array<uint32_t, 4>;
  Philox() = default;
  Philox(Block counter, std::array<uint32_t, 2> key) : counter_(counter), key_(key) {}
  // As TensorFlow lays them into memory: the key in one number, the counter in two.
  Philox(uint64_t key, uint64_t counter_low, uint64_t counter_high)
      : counter_{low(counter_low), high(counter_low), low(counter_high), high(counter_high)}, key_{low(key), high(key)} {}

  uint64_t key() const { return key_[0] | static_cast<uint64_t>(key_[1]) << 32; }
  uint64_t counter(size_t i) const { return counter_[2 * i] | static_cast<uint64_t>(counter_[2 * i + 1]) << 32; }

  // The next four numbers.
  Block operator()() {
    Block x = counter_;
    std::array<uint32_t, 2> key = key_;
    for (int round = 0; round < 10; ++round) {
      const uint64_t a = uint64_t{0xD2511F53} * x[0], b = uint64_t{0xCD9E8D57} * x[2];
      x = {high(b) ^ x[1] ^ key[0], low(b), high(a) ^ x[3] ^ key[1], low(a)};
      key[0] += 0x9E3779B9;
      key[1] += 0xBB67AE85;
    }
    skip(1);
    return x;
  }
  void skip(uint64_t blocks) {
    const uint64_t before = counter(0), after = before + blocks;
    counter_[0] = low(after);
    counter_[1] = high(after);
    if (after < before && ++counter_[2] == 0) ++counter_[3];
  }

 private:
  static uint32_t low(uint64_t x) { return static_cast<uint32_t>(x); }
  static uint32_t high(uint64_t x) { return static_cast<uint32_t>(x >> 32); }
  Block counter_{};
  std::array<uint32_t, 2> key_{};
};

// One number at a time.
class PhiloxStream {
 public:
  explicit PhiloxStream(Philox source) : source_(source) {}
  uint32_t operator()() {
    if (used_ == 4) {
      block_ = source_();
      used_ = 0;
    }
    return block_[used_++];
  }
  double uniform_double();  // in [0, 1)

 private:
  Philox source_;
  Philox::Block block_{};
  size_t used_ = 4;
};

float uniform_float(uint32_t bits);                  // in [0, 1)
double uniform_double(uint32_t high, uint32_t low);  // in [0, 1)

// The generator of a stateful op: begins at its attributes seed and seed2, or anywhere where both are 0, and moves on with each run.
// Thread-safe.
class GuardedPhilox {
 public:
  explicit GuardedPhilox(const NodeInfo& node);
  // A copy for `blocks` blocks that nobody else gets.
  Philox reserve(uint64_t blocks) const {
    const std::scoped_lock lock(mutex_);
    const Philox out = next_;
    next_.skip(blocks);
    return out;
  }

 private:
  mutable std::mutex mutex_;
  mutable Philox next_;
};

// From an input `seed` of two integers, scrambled as TensorFlow does.
Result<Philox> philox_of_seed(const Call& call, size_t seed);
// From inputs key, counter and alg at `key` and after it.
Result<Philox> philox_of_key(const Call& call, size_t key);
// What a shape input says; a vector of int32 or int64.
Result<Shape> random_shape(const Call& call, size_t i);

}  // namespace ferry::ops
