// Tensors to a safetensors file, one at a time. docs/formats/safetensors.md
#pragma once

#include "ferry/format.h"

namespace ferry::safetensors {

Status write(const TensorReader& tensors, ByteSink& sink, const WriteOptions& options);

}  // namespace ferry::safetensors
