// compare() for tensors that are looked at once: piece by piece, pages of mapped files let go behind it.
#pragma once

#include "ferry/compare.h"

namespace ferry {

// As compare(). Equal bits are equal values, so that two files that hold the same are compared as fast as memory is read.
Result<Comparison> compare_behind(const Tensor& a, const Tensor& b, Tolerance tolerance, ThreadPool* pool);

}  // namespace ferry
