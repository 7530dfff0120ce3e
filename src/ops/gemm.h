// Products of matrices behind one function, so that a faster one can take the place of the one that is there.
#pragma once

#include <cstdint>

#include "ops/kernel.h"

namespace ferry::ops {

// A side of a product, dense and row-major: [rows, columns], or lying transposed in memory.
struct GemmSide {
  const void* data = nullptr;
  bool transposed = false;
  bool conjugated = false;
};

// out[m, n] = a[m, k] · b[k, n]. Floats, complex numbers and 16 to 64-bit integers (which wrap around); sums of the 16-bit floats are
// made in float. Zeros where k is 0. Uses run.pool and looks at run's deadline; not for use inside a parallel_for.
Status gemm(Run& run, DType dtype, GemmSide a, GemmSide b, void* out, int64_t m, int64_t n, int64_t k);

// `count` of them: the sides of the i-th begin i * step elements (0: one side for all) after the first, its result i * m * n.
struct GemmBatch {
  int64_t count = 1, step_a = 0, step_b = 0;
};
Status gemm(Run& run, DType dtype, const GemmBatch& batch, GemmSide a, GemmSide b, void* out, int64_t m, int64_t n, int64_t k);
bool has_gemm(DType dtype);

}  // namespace ferry::ops
