// What untrusted input may cost. Every size that bytes announce is held against these and against the bytes that
// remain before anything is allocated. docs/security.md says which attack each one stops.
#pragma once

#include <cstdint>

namespace ferry {

struct Limits {
  uint64_t max_tensor_bytes = uint64_t{1} << 40;    // one tensor in memory
  uint64_t max_tensors = 10'000'000;                // tensors in one file
  uint64_t max_rank = 254;                          // as TensorFlow
  uint64_t max_name_bytes = 64 * 1024;              // one tensor's name
  uint64_t max_nesting = 100;                       // JSON lists, protobuf messages, ragged levels
  uint64_t max_expanded_bytes = uint64_t{1} << 38;  // what one compressed stream or member may grow to
  // Past the free part, a compressed stream that grows by more than the ratio is called a bomb.
  uint64_t free_expanded_bytes = uint64_t{1} << 30;
  uint64_t max_expansion_ratio = 200;
  uint64_t max_densified_bytes = uint64_t{1} << 36;  // a dense result made from a sparse tensor
};

}  // namespace ferry
