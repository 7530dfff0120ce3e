#include "engine/variables.h"

#include <algorithm>
#include <charconv>

#include "ferry/rearrange.h"

namespace ferry::engine {
namespace {

int64_t number(std::string_view text) {
  int64_t out = -1;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

// "10 4 0,5:0,4": the whole shape, then start and length of each axis ("-" for all of it).
Result<DenseTensor> part_of(DenseTensor whole, std::string_view slice) {
  const size_t space = slice.rfind(' ');
  std::string_view spec = space == std::string_view::npos ? slice : slice.substr(space + 1);
  const Shape shape = whole.shape();
  size_t axes = 0;
  for (; !spec.empty(); ++axes) {
    const size_t end = std::min(spec.find(':'), spec.size());
    const std::string_view one = spec.substr(0, end);
    spec.remove_prefix(std::min(end + 1, spec.size()));
    if (axes >= shape.rank())
      return invalid_argument(concat("the part ", quoted(slice), " has more axes than the tensor ", shape.to_string()));
    const size_t comma = one.find(',');
    const int64_t begin = one == "-" ? 0 : number(one.substr(0, comma));
    const int64_t size = one == "-" || comma == std::string_view::npos ? shape[axes] - begin : number(one.substr(comma + 1));
    if (begin < 0 || size < 0 || begin > shape[axes] || size > shape[axes] - begin) {
      return invalid_argument(concat("the part ", quoted(slice), " does not lie in the tensor ", shape.to_string()));
    }
    FERRY_ASSIGN_OR_RETURN(whole, ferry::cut(whole, axes, begin, size));
  }
  if (axes != shape.rank()) return invalid_argument(concat("the part ", quoted(slice), " has not the axes of ", shape.to_string()));
  return whole;
}

// The key under which the checkpoint has what is wanted; empty where it has nothing.
Result<std::optional<Tensor>> find_value(const Checkpoint& checkpoint, const Wanted& wanted) {
  for (const std::string* key : {&wanted.key, &wanted.name}) {
    if (key->empty()) continue;
    FERRY_ASSIGN_OR_RETURN(auto tensor, checkpoint.read(*key));
    if (tensor) return tensor;
  }
  if (wanted.path.empty()) return std::optional<Tensor>();
  FERRY_ASSIGN_OR_RETURN(const ObjectGraph* const objects, checkpoint.objects());
  const auto id = objects == nullptr ? std::nullopt : objects->find(wanted.path);
  if (!id) return std::optional<Tensor>();
  for (const ObjectAttribute& attribute : objects->node(*id).attributes) {
    if (attribute.name == "VARIABLE_VALUE") return checkpoint.read(attribute.key);
  }
  return std::optional<Tensor>();
}

}  // namespace

ops::Variable::Loader VariableSources::loader(std::string_view node, std::string_view shared_name) const {
  if (checkpoint_ == nullptr) return nullptr;
  Wanted wanted;
  std::string slice;
  if (const ModelVariables::Handle* handle = variables_.find(node)) {
    wanted = variables_.wanted[handle->wanted];
    slice = handle->slice;
  } else {
    wanted.key = shared_name.empty() ? node : shared_name;
    wanted.name = node;
  }
  return [checkpoint = checkpoint_, wanted = std::move(wanted), slice = std::move(slice)]() -> Result<DenseTensor> {
    FERRY_ASSIGN_OR_RETURN(auto tensor, find_value(*checkpoint, wanted));
    if (!tensor) return not_found(concat("the checkpoint has no ", quoted(wanted.key.empty() ? wanted.name : wanted.key)));
    auto* const dense = std::get_if<DenseTensor>(&*tensor);
    if (dense == nullptr) return invalid_argument(concat(quoted(wanted.key), " is no plain tensor"));
    return slice.empty() ? Result<DenseTensor>(std::move(*dense)) : part_of(std::move(*dense), slice);
  };
}

}  // namespace ferry::engine
