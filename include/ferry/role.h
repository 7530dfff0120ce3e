// Role: what a variable is to training. A restore plan and a comparison look at weights first.
#pragma once

#include <cstdint>
#include <string_view>

namespace ferry {

enum class Role : uint8_t {
  weight,   // of the model, moving statistics of a normalisation included
  slot,     // of an optimizer, one for each weight: moments, accumulators
  counter,  // save_counter, iterations, global_step
  state,    // of random generators, metrics, iterators
  other,    // no variable at all: the object graph
};

std::string_view role_name(Role role);

}  // namespace ferry
