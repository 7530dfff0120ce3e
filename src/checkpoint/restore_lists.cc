// What a checkpoint has, or wants, as a plan takes it.
#include "ferry/restore.h"

namespace ferry {

std::vector<Have> have_of(std::span<const Variable> variables, std::span<const TensorInfo> tensors) {
  std::vector<Have> out(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    out[i].key = tensors[i].name;
    out[i].dtype = tensors[i].dtype;
    out[i].shape = tensors[i].shape;
  }
  for (const Variable& variable : variables) {
    Have& have = out[variable.tensor];
    have.name = variable.name;
    have.path = variable.path;
    have.role = variable.role;
    have.slot_name = variable.slot_name;
    have.slot_of = variable.slot_of;
  }
  return out;
}

WantedTensors wanted_of(std::span<const Variable> variables, std::span<const TensorInfo> tensors) {
  WantedTensors out;
  for (const Variable& variable : variables) {
    if (variable.role == Role::other) continue;
    const TensorInfo& info = tensors[variable.tensor];
    Wanted wanted;
    wanted.name = variable.name;
    wanted.path = variable.path;
    wanted.key = variable.key;
    wanted.dtype = info.dtype;
    wanted.shape = info.shape;
    wanted.role = variable.role;
    wanted.slot_name = variable.slot_name;
    wanted.slot_of = variable.slot_of;
    wanted.of_optimizer = variable.of_optimizer;
    out.wanted.push_back(std::move(wanted));
    out.tensors.push_back(variable.tensor);
  }
  return out;
}

}  // namespace ferry
