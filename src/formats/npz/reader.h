// Opens npz archives: mapped members become views, SciPy's and our parts become sparse and ragged tensors.
#pragma once

#include <memory>

#include "ferry/format.h"

namespace ferry::npz {

// Its members as plain arrays.
Result<std::unique_ptr<ArrayReader>> open_arrays(std::shared_ptr<const ByteSource> source, const ReadOptions& options);
Result<std::unique_ptr<TensorNames>> open_names(std::shared_ptr<const ByteSource> source, const ReadOptions& options);
Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options);

}  // namespace ferry::npz
