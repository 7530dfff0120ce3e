// cast: the same tensor with other element types, as tf.cast.
#pragma once

#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/thread_pool.h"

namespace ferry {

struct CastOptions {
  // Refuse, naming the first element, what the new dtype cannot hold: out of range, NaN or a fraction to an integer, a finite
  // value to infinity, an imaginary part lost. Rounding to a float is no loss.
  bool checked = false;
  ThreadPool* pool = nullptr;
};

// Floats to integers lose their fraction; out of range they become what TensorFlow's CPU kernels give: saturated for 8 and 16
// bits, the lowest value for int32 and int64 (NaN too). Integers wrap. Anything but zero is true (NaN too). Complex to real keeps
// the real part. Small floats go through float32, to nearest, ties to even. Quantized dtypes are cast as their integers.
// Strings have no cast.
Result<DenseTensor> cast(const DenseTensor& x, DType dtype, const CastOptions& options = {});
// Entries stay where they are, also those that become zero.
Result<SparseTensor> cast(const SparseTensor& x, DType dtype, const CastOptions& options = {});
Result<RaggedTensor> cast(const RaggedTensor& x, DType dtype, const CastOptions& options = {});
Result<Tensor> cast(const Tensor& x, DType dtype, const CastOptions& options = {});

}  // namespace ferry
