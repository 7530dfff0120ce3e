// The variables that a model wants from a checkpoint, and which nodes of its graph they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/checkpoint.h"
#include "ferry/plan.h"
#include "ferry/stored_model.h"

namespace ferry {

struct ModelVariables {
  std::vector<Wanted> wanted;
  // A node that is a variable (VarHandleOp, VariableV2 …) or a part of a partitioned one.
  struct Handle {
    std::string_view node;
    size_t wanted;      // position among them
    std::string slice;  // "10 4 0,5:-" of a partitioned variable; else empty
  };
  std::vector<Handle> handles;           // by node
  std::vector<std::string_view> untied;  // variable nodes that nothing ties to a checkpoint: the graph fills them, or nothing uses them
  std::vector<bool> trainable;           // of each wanted, where the object graph says so

  const Handle* find(std::string_view node) const;
  uint64_t num_bytes() const;  // of those whose dtype and shape are known
};

// Of a graph with an object graph (tf.saved_model.save): its variables, by object path; the names that functions capture tie them to nodes.
// Else what the saver saves, under its keys. Else every variable node under its own name. Good as long as the MetaGraph.
Result<ModelVariables> model_variables(const MetaGraph& meta, const Limits& limits = {});

// The checkpoint beside the model, its variables as they are (no parts put together); not_found where there is none.
Result<Checkpoint> open_variables(const StoredModel& model, ReadOptions options = {});

}  // namespace ferry
