// The dtype and shape of a tensor of the graph, from its node and the op's definition.
#include <algorithm>

#include "ferry/signature.h"
#include "graph/parse.h"

namespace ferry {
namespace {

// Of how many tensors an output argument is, and the type of each.
struct Span {
  size_t count = 0;
  int type = 0;           // of all of them
  std::vector<int> each;  // or of each
};

Span output_span(const Node& node, const ArgDef& arg, const OpDef& op) {
  const auto attr = [&](std::string_view name) -> std::optional<AttrValue> {
    if (const AttrValue* value = node.find(name)) return *value;
    const AttrDef* def = op.find_attr(name);
    return def != nullptr ? def->default_value : std::nullopt;
  };
  Span out{1, arg.type_number, {}};
  if (!arg.type_list_attr.empty()) {
    out.count = 0;
    if (const auto value = attr(arg.type_list_attr)) {
      if (auto types = value->type_numbers(); types.ok()) out.each = *std::move(types);
    }
    out.count = out.each.size();
    return out;
  }
  if (!arg.type_attr.empty()) {
    if (const auto value = attr(arg.type_attr)) out.type = value->type_number().ok() ? *value->type_number() : 0;
  }
  if (!arg.number_attr.empty()) {
    const auto value = attr(arg.number_attr);
    const int64_t count = value && value->integer().ok() ? *value->integer() : 0;
    out.count = static_cast<size_t>(std::max<int64_t>(count, 0));
  }
  return out;
}

}  // namespace

TensorLookup::TensorLookup(const MetaGraph& meta) : meta_(meta) {
  if (auto ops = meta.ops(); ops.ok()) ops_ = *std::move(ops);
  std::ranges::stable_sort(ops_, {}, &OpDef::name);
}

int TensorLookup::output_type(const Node& node, int32_t index) const {
  const auto it = std::ranges::lower_bound(ops_, node.op, {}, &OpDef::name);
  if (it != ops_.end() && it->name == node.op) {
    auto left = static_cast<size_t>(index);
    for (const ArgDef& arg : it->outputs) {
      const Span span = output_span(node, arg, *it);
      if (left < span.count) return span.each.empty() ? span.type : span.each[left];
      left -= span.count;
    }
    return 0;
  }
  // Without a list of ops: attributes that say so in nearly all ops that are fed or fetched.
  const auto number = [&](std::string_view name) {
    const AttrValue* value = node.find(name);
    if (value == nullptr) return 0;
    const auto type = value->type_number();
    return type.ok() ? *type : 0;
  };
  if (node.op == "PartitionedCall" || node.op == "StatefulPartitionedCall") {
    if (const AttrValue* types = node.find("Tout")) {
      if (const auto list = types->type_numbers(); list.ok() && static_cast<size_t>(index) < list->size())
        return (*list)[static_cast<size_t>(index)];
    }
    return 0;
  }
  if (node.op == "VarHandleOp") return static_cast<int>(DType::resource);
  constexpr std::string_view kOfFirst[] = {"Placeholder",
                                           "PlaceholderWithDefault",
                                           "PlaceholderV2",
                                           "Const",
                                           "VariableV2",
                                           "Variable",
                                           "ReadVariableOp",
                                           "Identity",
                                           "Softmax",
                                           "Sigmoid",
                                           "MatMul",
                                           "BiasAdd",
                                           "Relu",
                                           "Reshape",
                                           "Squeeze",
                                           "Add",
                                           "AddV2",
                                           "ConcatV2",
                                           "Mul",
                                           "LogSoftmax",
                                           "Tanh",
                                           "Mean",
                                           "Sum"};
  if (index != 0 || std::ranges::find(kOfFirst, node.op) == std::end(kOfFirst)) return 0;
  if (const int type = number("dtype"); type != 0) return type;
  return number("T");
}

TensorFacts TensorLookup::find(std::string_view tensor) const {
  TensorFacts out;
  const auto ref = parse_input(tensor);
  if (!ref.ok() || ref->control) return out;
  const Node* node = meta_.graph().find(ref->node);
  if (node == nullptr) return out;
  out.exists = true;
  if (const auto dtype = dtype_of_number(output_type(*node, ref->index)); dtype.ok()) out.dtype = *dtype;
  if (ref->index != 0) return out;
  if (node->op == "Placeholder" || node->op == "PlaceholderWithDefault" || node->op == "PlaceholderV2") {
    if (auto shape = node->shape("shape"); shape.ok()) out.shape = *std::move(shape);
    // In old graphs an empty shape stands for an unknown one.
    if (node->op == "Placeholder" && meta_.graph().versions().empty_shape_is_unknown() && out.shape.has_rank() &&
        out.shape.dims().rank() == 0)
      out.shape = {};
  } else if (node->op == "VariableV2" || node->op == "Variable") {
    if (auto shape = node->shape("shape"); shape.ok()) out.shape = *std::move(shape);
  } else if (node->op == "Const") {
    // The header of the tensor only.
    const AttrValue* value = node->find("value");
    if (value == nullptr) return out;
    const auto message = value->tensor();
    if (!message.ok()) return out;
    proto::Reader in(*message);
    out.shape = Shape{};
    while (in.next()) {
      if (in.tag() != proto::bytes_tag(2)) {
        in.skip();
        continue;
      }
      const graph::Piece shape = graph::piece(in);
      auto parsed = parse_shape(shape.bytes, shape.base);
      out.shape = parsed.ok() ? *std::move(parsed) : PartialShape();
    }
  }
  return out;
}

}  // namespace ferry
