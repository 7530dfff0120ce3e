// Opens safetensors files: the header is read, every tensor is a view of the file until somebody wants another dtype.
#pragma once

#include <memory>

#include "ferry/format.h"

namespace ferry::safetensors {

// One file as plain arrays.
Result<std::unique_ptr<ArrayReader>> open_arrays(std::shared_ptr<const ByteSource> source, const ReadOptions& options);
Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options);

}  // namespace ferry::safetensors
