// The tensors in a Python structure of arguments, in the order in which TensorFlow flattens it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ferry/saved_objects.h"
#include "ferry/signature.h"

namespace ferry::graph {

struct Leaf {
  std::string argument;              // "x['clicks'][0]"
  std::vector<std::string> members;  // keys of dicts on the way: "clicks"
  size_t position = 0;               // of the positional argument that it lies in
  bool keyword = false;              // it lies in a keyword argument, which is members[0]
  std::string name;                  // of the spec
  TensorKind kind = TensorKind::dense;
  bool opaque = false;  // of another type than these: so many plain tensors
  std::optional<DType> dtype;
  PartialShape shape;
  size_t ragged_rank = 0;
  int splits_type = 9;
  size_t parts = 1;
};

struct Flattened {
  std::vector<Leaf> leaves;
  std::vector<std::string> values;  // "training=False"
};

// `signature`: canonicalized, a tuple of the positional arguments and a dict of the others. `names`: of the positional ones.
Flattened flatten_arguments(const StructuredValue& signature, std::span<const std::string> names);
Flattened flatten_value(const StructuredValue& value, const std::string& name);

// One TypeSpec or TensorSpec.
Leaf leaf_of(const StructuredValue& spec);

// The names of a function's positional arguments, `self` left out.
std::vector<std::string> argument_names(const FunctionSpec& spec, const Limits& limits);

// Parts of a port that is made of a leaf, without keys and tensors.
std::vector<PortPart> parts_of(const Leaf& leaf);

}  // namespace ferry::graph
