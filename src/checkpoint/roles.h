// What each variable is for. One function for checkpoints that keep their objects, one for those that keep names alone.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ferry/checkpoint.h"

namespace ferry {

// Sets path, name, role, slot and node of those that the graph names, and tells which those are. Every variable has its key.
Result<std::vector<bool>> roles_by_objects(const ObjectGraph& objects, std::span<const TensorInfo> tensors, std::span<Variable> variables);
// The same of the others, by what their names say.
void roles_by_names(std::span<const TensorInfo> tensors, std::span<Variable> variables, const std::vector<bool>& done);

inline bool is_scalar(const TensorInfo& info) { return info.kind == TensorKind::dense && info.shape.rank() == 0; }
bool is_whole_number(DType dtype);
inline std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }  // npos + 1 is 0

}  // namespace ferry
