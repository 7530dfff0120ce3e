// synthesize: tensors of random content for tests, benches and trying things out.
#pragma once

#include <cstdint>

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/thread_pool.h"

namespace ferry {

struct Recipe {
  TensorKind kind = TensorKind::dense;
  DType dtype = DType::float32;
  Shape shape;  // ragged: [rows, longest row, inner axes…]
  // The part of the elements that is not zero, 0 to 1: exactly that many, rounded. Of a ragged tensor: the mean length of
  // its rows over the longest one.
  double density = 1;
  uint64_t seed = 0;
};

// The same recipe gives the same bits on any machine and for any number of threads, and the same values under every kind but
// ragged. Floats lie in [-1, 1), integers in [1, 100] (less where they are smaller), strings are "s0" to "s999"; none is zero.
Result<Tensor> synthesize(const Recipe& recipe, const Limits& limits = {}, ThreadPool* pool = nullptr);

}  // namespace ferry
