#include "checkpoint/transformed_reader.h"

#include <algorithm>
#include <unordered_set>

#include "checkpoint/tensor_node.h"

namespace ferry {

TransformedReader::TransformedReader(const TensorReader& inner, TransformOptions options) : inner_(inner), options_(options) {
  infos_.assign(inner.tensors().begin(), inner.tensors().end());
  nodes_.reserve(infos_.size());
  for (size_t i = 0; i < infos_.size(); ++i) {
    TensorNode leaf;
    leaf.leaf = i;
    nodes_.push_back(std::make_shared<const TensorNode>(std::move(leaf)));
  }
}

void TransformedReader::select(const std::vector<size_t>& positions) {
  std::vector<TensorNodeRef> nodes;
  std::vector<TensorInfo> infos;
  for (const size_t i : positions) {
    nodes.push_back(nodes_[i]);
    infos.push_back(infos_[i]);
  }
  nodes_ = std::move(nodes);
  infos_ = std::move(infos);
}

Status TransformedReader::set(size_t i, TensorNode node) {
  TensorInfo info = infos_[i];
  info.offset.reset();
  info.zero_copy = false;
  FERRY_RETURN_IF_ERROR(set_depth(node));
  auto ref = std::make_shared<const TensorNode>(std::move(node));
  FERRY_RETURN_IF_ERROR(describe_node(*ref, {&infos_[i], 1}, info, inner_, options_));
  nodes_[i] = std::move(ref);
  infos_[i] = std::move(info);
  return {};
}

Status TransformedReader::change(size_t position, std::shared_ptr<const TensorChange> change) {
  TensorNode node;
  node.op = TensorOp::change;
  node.change = std::move(change);
  node.inputs = {nodes_[position]};
  return set(position, std::move(node));
}

Status TransformedReader::cast(size_t position, DType dtype, bool checked) {
  if (infos_[position].dtype == dtype && !checked) return {};
  TensorNode node;
  node.op = TensorOp::cast;
  node.dtype = dtype;
  node.checked = checked;
  node.inputs = {nodes_[position]};
  return set(position, std::move(node));
}

Status TransformedReader::rename(const RenameRules& rules) {
  if (rules.size() == 0) return {};
  for (TensorInfo& info : infos_) info.name = rules.apply(info.name);
  return check_names("--rename");
}

Status TransformedReader::check_names(std::string_view remedy) const {
  std::unordered_set<std::string_view> names;
  for (size_t i = 0; i < infos_.size(); ++i) {
    if (names.insert(infos_[i].name).second) continue;
    const Status status = invalid_argument(concat("two tensors would be named ", quoted(infos_[i].name), "; change ", remedy));
    return named_by_leaf(status, *nodes_[i], inner_);
  }
  return {};
}

Result<Tensor> TransformedReader::read(size_t i) const { return read_node(*nodes_[i], inner_, options_); }

std::vector<size_t> TransformedReader::origins(size_t i) const {
  std::vector<size_t> out;
  leaves_of(*nodes_[i], out);
  return out;
}

bool TransformedReader::is_unchanged(size_t i) const { return nodes_[i]->op == TensorOp::leaf; }

}  // namespace ferry
