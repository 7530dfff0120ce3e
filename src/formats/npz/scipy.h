// The members that scipy.sparse.load_npz reads: one sparse matrix or array an archive.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ferry/parts.h"
#include "ferry/tensor.h"

namespace ferry::npz {

// Why SciPy cannot hold `tensor`; nullopt where it can.
std::optional<std::string> scipy_obstacle(const SparseTensor& tensor);
// indices and indptr, row and col, or coords; then format, shape, data, _is_array, in SciPy's own order.
Result<std::vector<SpelledArray>> spell_scipy(const SparseTensor& tensor);

}  // namespace ferry::npz
