// compare: where two tensors differ in value, whatever their kinds. Sparse ones are never made dense.
#pragma once

#include <cstdint>
#include <vector>

#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/thread_pool.h"

namespace ferry {

// Values differ where |a - b| > absolute + relative * |b|. NaN equals NaN, 0.0 equals -0.0; strings and bool are compared as they are.
struct Tolerance {
  double relative = 0;
  double absolute = 0;
};

struct Comparison {
  bool kind_differs = false;     // no difference of value: COO, CSR, CSC and dense may say the same
  bool dtype_differs = false;    // then values are not compared
  bool shape_differs = false;    // nor here; for ragged tensors, row lengths count as shape
  int64_t differing = 0;         // elements; a missing entry of a sparse tensor is zero
  double max_absolute = 0;       // the largest difference; infinite where NaN or infinity meets something else
  double max_relative = 0;       // to |b|; infinite where b is zero
  double norm = 0;               // of what differs: the root of the sum of its squares
  std::vector<int64_t> first;    // the first coordinate that differs, in row-major order
  DenseTensor first_a, first_b;  // [1], what stands there
  bool equal() const { return !dtype_differs && !shape_differs && differing == 0; }
};

// Unsorted entries are sorted first, repeated ones added up (strings: the last one counts). A ragged tensor and another kind
// have no values in common: that is a difference of shape.
Result<Comparison> compare(const Tensor& a, const Tensor& b, Tolerance tolerance = {}, ThreadPool* pool = nullptr);

// COO, sorted, no coordinate twice: numbers at one coordinate are added, bools or-ed, of strings the last one stays.
Result<SparseTensor> canonical_coo(const SparseTensor& x, ThreadPool* pool = nullptr);

}  // namespace ferry
