// What the commands on models share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "ferry/signature.h"

namespace ferry::cli {

// "sparse" for coo, as people say.
std::string port_kind_name(TensorKind kind);
std::string port_dtype_name(const Port& port);
std::string_view part_role_name(PartRole role);
// The meta graphs that --tags leaves: all without it.
Result<std::vector<size_t>> chosen_graphs(const StoredModel& model, const Arguments& arguments);

}  // namespace ferry::cli
