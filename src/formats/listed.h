// Tensors of a lazy reader, held against what its listing said of them: sizes were planned by that.
#pragma once

#include "ferry/format.h"

namespace ferry {

// data_loss where kind, dtype or shape are other ones (a file that changed meanwhile).
Result<Tensor> read_as_listed(const TensorReader& tensors, size_t i);

}  // namespace ferry
