// Holds what a decompressor makes against what it was given, and calls a bomb a bomb.
#pragma once

#include "ferry/limits.h"
#include "ferry/status.h"

namespace ferry {

class Expansion {
 public:
  explicit Expansion(const Limits& limits) : limits_(limits) {}
  Status check(uint64_t in, uint64_t out) const {
    if (out > limits_.max_expanded_bytes) {
      return limit_exceeded(concat("expands to more than ", limits_.max_expanded_bytes, " bytes (max_expanded_bytes)"));
    }
    if (out > limits_.free_expanded_bytes && out / limits_.max_expansion_ratio > in) {
      return limit_exceeded(concat(in, " compressed bytes expand to ", out, " and more, beyond the ratio of ", limits_.max_expansion_ratio,
                                   " (max_expansion_ratio)"));
    }
    return {};
  }

 private:
  Limits limits_;
};

}  // namespace ferry
