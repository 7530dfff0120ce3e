// What formats that offer open_names() have in common.
#pragma once

#include <algorithm>
#include <string>

#include "ferry/tensor_map.h"

namespace ferry {

// So many are described as they are opened, which costs microseconds and shows damage early.
inline constexpr size_t kFewTensors = 16;

// Whether metadata of a container may belong to one of its tensors ("NAME/KEY").
inline bool some_tensors_own(const Metadata& metadata) {
  return std::ranges::any_of(metadata, [](const auto& entry) { return entry.first.find('/') != std::string::npos; });
}

}  // namespace ferry
