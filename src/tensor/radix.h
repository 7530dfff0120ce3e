// Sorting words by some of their bits. Internal.
#pragma once

#include <cstdint>

#include "ferry/thread_pool.h"

namespace ferry {

// Sorts from[0, count) by bits [shift, shift + bits) into to[0, count); stable. Both arrays are used as scratch, they
// do not overlap. Costs a pass for each eleven bits or so, most of them inside the cache.
void radix_sort(uint64_t* from, uint64_t* to, int64_t count, int shift, int bits, ThreadPool* pool = nullptr);

// A word with its entry, where both do not fit one.
struct KeyedPosition {
  uint64_t key;
  int64_t position;
};
void radix_sort(KeyedPosition* from, KeyedPosition* to, int64_t count, int shift, int bits, ThreadPool* pool = nullptr);

}  // namespace ferry
