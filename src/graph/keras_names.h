// Names of a Keras model's input layers, from what Keras 2 wrote beside a SavedModel.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ferry::graph {

// `metadata` is the JSON of the root object. In the order in which the inputs are flattened; empty where it cannot be told.
std::vector<std::string> keras_input_names(std::string_view metadata);
// The JSON of the root, from the contents of keras_metadata.pb.
std::string_view keras_root_metadata(std::string_view file);

}  // namespace ferry::graph
