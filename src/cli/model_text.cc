#include "cli/model_text.h"

namespace ferry::cli {

std::string port_kind_name(TensorKind kind) { return kind == TensorKind::coo ? "sparse" : std::string(kind_name(kind)); }

std::string port_dtype_name(const Port& port) { return port.dtype ? std::string(dtype_name(*port.dtype)) : "?"; }

std::string_view part_role_name(PartRole role) {
  switch (role) {
    case PartRole::indices: return "indices";
    case PartRole::values: return "values";
    case PartRole::dense_shape: return "dense_shape";
    case PartRole::row_splits: return "row_splits";
    case PartRole::indptr:
    case PartRole::row:
    case PartRole::col:
    case PartRole::axis:
    case PartRole::coords:
    case PartRole::format:
    case PartRole::flag:
    case PartRole::row_lengths:
    case PartRole::bytes:
    case PartRole::offsets: return "part";
  }
  __builtin_unreachable();
}

Result<std::vector<size_t>> chosen_graphs(const StoredModel& model, const Arguments& arguments) {
  if (const auto text = arguments.get("tags")) {
    const std::vector<std::string_view> tags = split(*text, ',');
    FERRY_ASSIGN_OR_RETURN(const size_t i, model.choose(tags));
    return std::vector<size_t>{i};
  }
  std::vector<size_t> out(model.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = i;
  return out;
}

}  // namespace ferry::cli
