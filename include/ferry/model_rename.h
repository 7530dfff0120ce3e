// New names for a SavedModel's signatures and their inputs and outputs, by editing the protobuf alone: what is not renamed keeps its bytes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/stored_model.h"

namespace ferry {

struct PortRename {
  std::string signature;  // empty: every signature that has such a port
  std::string from;       // a flat key ("args_0_1"), or a logical name ("bag"): then all parts of it are renamed
  std::string to;         // of a sparse tensor in parts: to/indices, to/values, to/dense_shape; of a ragged one to/values, to/row_splits
};

struct ModelRenames {
  std::vector<PortRename> inputs, outputs;
  std::vector<std::pair<std::string, std::string>> signatures;  // from, to
  bool empty() const { return inputs.empty() && outputs.empty() && signatures.empty(); }
};

// The new saved_model.pb. TensorFlow's loader calls a signature by what the object graph keeps of its wrapper function, and takes its
// arguments in the order of their names: so the wrapper's arguments, its call and its structured signature are put in the new order too.
Result<std::string> rename_ports(const StoredModel& model, const ModelRenames& renames);

// Writes the renamed model: to `folder`, which must not be there, with variables and assets linked or copied; or in place.
// fingerprint.pb is left out, since it tells of the model before. Nothing half-written is left, and the old file stays until the new one is
// whole.
Status write_renamed(const StoredModel& model, const ModelRenames& renames, const std::string& folder);
Status rename_in_place(const StoredModel& model, const ModelRenames& renames);

}  // namespace ferry
