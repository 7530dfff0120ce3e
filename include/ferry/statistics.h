// What the values of a tensor are like, and a fingerprint by which equal content is known in any layout.
#pragma once

#include <cstdint>
#include <optional>

#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/thread_pool.h"

namespace ferry {

// Of the stored values; implicit zeros of sparse tensors do not count. The same for any number of threads.
struct Statistics {
  int64_t stored = 0;
  int64_t zeros = 0;  // stored values that are zero, "" or false
  int64_t nans = 0;
  int64_t infinities = 0;
  // Positions in the stored values, NaN left aside; -1 where there is none, and for complex numbers and strings.
  int64_t smallest = -1, largest = -1;
  std::optional<double> mean;  // NaN left aside; not of complex numbers and strings
  // Of strings, in bytes.
  int64_t shortest = 0, longest = 0, total_length = 0;
  // Stored values that are not zero over all elements; nullopt for ragged tensors and where there are no elements.
  std::optional<double> density;
};

// `behind`, here and below: the values are not looked at again soon, and pages of a mapped file are let go behind the work.
Statistics statistics(const Tensor& x, ThreadPool* pool = nullptr, bool behind = false);
// The stored values as one dense tensor: itself, values(), flat_values().
const DenseTensor& stored_values(const Tensor& x);

// The same for tensors of the same dtype, shape and values, whatever layout, index width, order of entries or explicit
// zeros (0.0 is -0.0, every NaN is one). For ragged tensors: of row lengths and values. Not cryptographic; stable between
// versions and machines.
Result<uint64_t> fingerprint(const Tensor& x, ThreadPool* pool = nullptr, bool behind = false);

}  // namespace ferry
