// Which ops a model is made of, and which of them its signatures reach: through calls, branches, loops and every other attribute that names
// a function.
#pragma once

#include <string>
#include <vector>

#include "ferry/meta_graph.h"

namespace ferry {

struct OpUse {
  std::string op;
  size_t nodes = 0;                     // in the graph and all functions
  size_t reached = 0;                   // of these, by a signature
  std::vector<std::string> signatures;  // that reach it
  bool by_function = false;             // a function of the object graph reaches it
  bool by_init = false;                 // initialization reaches it
  bool by_saver = false;                // saving and restoring reach it
  bool core = true;                     // TensorFlow 2.21 has it by itself; else it comes from a library of ops
  bool reachable() const { return !signatures.empty() || by_function || by_init; }
};

struct OpCensus {
  std::vector<OpUse> ops;            // by name
  std::vector<std::string> missing;  // functions that are called and not in the library
  size_t functions = 0, reached_functions = 0;
};

// Without signatures, `fetches` (of a proposed one, or given) stand for one named "fetches".
Result<OpCensus> count_ops(const MetaGraph& meta, std::span<const std::string> fetches = {});

// Whether TensorFlow 2.21 has an op of this name without further libraries.
bool is_core_op(std::string_view name);

}  // namespace ferry
