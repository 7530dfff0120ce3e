// What tests and fuzz targets mean by "the same tensors": equal values, whatever the layout; NaN equals NaN.
#pragma once

#include <string>

#include "ferry/tensor_map.h"

namespace ferry::testing_support {

// "" where they agree, else a sentence.
std::string difference(const Tensor& a, const Tensor& b);
// By name; the sole tensor of one map matches the sole tensor of the other under any name.
std::string difference(const TensorMap& a, const TensorMap& b);

}  // namespace ferry::testing_support
