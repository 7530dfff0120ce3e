// The JSON grammar of tensors: TensorFlow Serving's values with objects for sparse and ragged ones. docs/formats/json.md
#pragma once

#include <string>
#include <string_view>

#include "ferry/io.h"
#include "ferry/limits.h"
#include "ferry/tensor_map.h"
#include "formats/json/list.h"

namespace ferry::json {

struct ParseOptions {
  Limits limits;
  Validation validation = Validation::bounds;
  NumberDTypes numbers;
};
// A file or request body: an object of named tensors, one value (named ""), {"inputs": …} or {"instances": […]}.
Result<TensorMap> parse_tensors(std::string_view text, const ParseOptions& options = {});

struct PrintOptions {
  bool plain = false;  // TensorFlow Serving's grammar and the sparse and ragged objects only: no dtypes, no metadata
};
Status print_tensors(const TensorMap& tensors, const PrintOptions& options, ByteSink& sink);

}  // namespace ferry::json
