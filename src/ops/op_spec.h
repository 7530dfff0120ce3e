// TensorFlow's own table of its ops: what arguments and attributes each has. op_specs.def holds it as text; a line is parsed when
// somebody asks for it, so that the table costs nothing at start.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ferry/dtype.h"

namespace ferry::ops {

// One argument: a tensor, `number_attr` tensors of one dtype, or one tensor for each dtype of `list_attr`.
struct ArgSpec {
  std::string_view name;
  std::string_view type_attr;    // the attribute that says the dtype; empty where it is fixed
  DType dtype = DType::float32;  // fixed
  std::string_view number_attr, list_attr;
  bool is_ref = false;
};

struct AttrSpec {
  std::string_view name;
  std::string_view type;                      // "int", "list(type)", …
  std::string_view dtypes;                    // "float32,float64": what TensorFlow has CPU kernels for; empty: any
  std::optional<std::string_view> otherwise;  // the default as op_specs.def spells it
};

struct OpSpec {
  std::string_view name;
  std::vector<ArgSpec> inputs, outputs;
  std::vector<AttrSpec> attrs;
  bool stateful = false;
  const AttrSpec* attr(std::string_view name) const;
};

std::optional<OpSpec> find_op_spec(std::string_view name);

}  // namespace ferry::ops
