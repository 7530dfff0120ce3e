#include "checkpoint/roles.h"
#include "ferry/checkpoint.h"

namespace ferry {

bool is_whole_number(DType dtype) {
  switch (dtype) {
    case DType::int8:
    case DType::int16:
    case DType::int32:
    case DType::int64:
    case DType::uint8:
    case DType::uint16:
    case DType::uint32:
    case DType::uint64: return true;
    default: return false;
  }
}

Result<std::vector<Variable>> describe_variables(std::span<const TensorInfo> tensors, const ObjectGraph* objects) {
  std::vector<Variable> out(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    out[i].key = tensors[i].name;
    out[i].tensor = i;
  }
  std::vector<bool> done(tensors.size());
  if (objects != nullptr) {
    FERRY_ASSIGN_OR_RETURN(done, roles_by_objects(*objects, tensors, out));
  }
  roles_by_names(tensors, out, done);
  return out;
}

Result<std::optional<ObjectGraph>> read_object_graph(const TensorReader& reader, const Limits& limits) {
  const auto tensors = reader.tensors();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& info = tensors[i];
    if (info.name != ObjectGraph::kKey || !is_scalar(info) || info.dtype != DType::string) continue;
    FERRY_ASSIGN_OR_RETURN(const Tensor tensor, reader.read(i));
    const DenseTensor& text = std::get<DenseTensor>(tensor);
    const StringsView strings = text.strings();
    FERRY_ASSIGN_OR_RETURN(
        ObjectGraph graph,
        ObjectGraph::parse(text.string_bytes().slice(static_cast<size_t>(strings.offsets()[0]), strings[0].size()), limits));
    return std::optional(std::move(graph));
  }
  return std::optional<ObjectGraph>();
}

}  // namespace ferry
