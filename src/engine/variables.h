// Where a model's variables find their values: the tensor of its checkpoint that a node of its graph stands for.
#pragma once

#include <memory>
#include <string_view>

#include "ferry/checkpoint.h"
#include "ferry/model_variables.h"
#include "ops/variable.h"

namespace ferry::engine {

// Thread-safe: nothing changes.
class VariableSources {
 public:
  // `checkpoint` may be null: then no variable has a value to begin with.
  VariableSources(ModelVariables variables, std::shared_ptr<const Checkpoint> checkpoint)
      : variables_(std::move(variables)), checkpoint_(std::move(checkpoint)) {}
  // For the variable of a node; null where there is no checkpoint.
  ops::Variable::Loader loader(std::string_view node, std::string_view shared_name) const;

 private:
  ModelVariables variables_;
  std::shared_ptr<const Checkpoint> checkpoint_;
};

}  // namespace ferry::engine
