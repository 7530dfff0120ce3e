// Writes ONNX: a model that holds nothing but initializers, or one TensorProto or SparseTensorProto.
#pragma once

#include "ferry/format.h"

namespace ferry::onnx {

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options);

}  // namespace ferry::onnx
