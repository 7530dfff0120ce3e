#include "graph/structure.h"

#include <algorithm>

namespace ferry::graph {
namespace {

using Kind = StructuredValue::Kind;

std::optional<DType> dtype_or_nothing(int number) {
  const auto dtype = dtype_of_number(number);
  return dtype.ok() ? std::optional(*dtype) : std::nullopt;
}

std::string text_of_value(const StructuredValue& value) {
  switch (value.kind) {
    case Kind::none: return "None";
    case Kind::number: return concat(value.number);
    case Kind::integer: return concat(value.integer);
    case Kind::text: return ferry::quoted(value.text);
    case Kind::boolean: return value.integer != 0 ? "True" : "False";
    case Kind::shape: return value.shape.to_string();
    case Kind::dtype: {
      const auto dtype = dtype_or_nothing(value.type_number);
      return dtype ? std::string(dtype_name(*dtype)) : concat(value.type_number);
    }
    default: return "...";
  }
}

// Where names and structures are longer than anybody writes, the rest is left out; then nothing fits, and the plain tensors are shown.
constexpr size_t kMostText = 4096, kMostLeaves = 100'000;

void flatten(const StructuredValue& value, Leaf at, Flattened& out) {
  if (at.argument.size() > kMostText || out.leaves.size() > kMostLeaves) return;
  switch (value.kind) {
    case Kind::tensor_spec:
    case Kind::bounded_tensor_spec:
    case Kind::type_spec: {
      Leaf leaf = leaf_of(value);
      leaf.argument = std::move(at.argument);
      leaf.members = std::move(at.members);
      leaf.position = at.position;
      leaf.keyword = at.keyword;
      out.leaves.push_back(std::move(leaf));
      return;
    }
    case Kind::list:
    case Kind::tuple:
      for (size_t i = 0; i < value.items.size(); ++i) {
        Leaf next = at;
        next.argument += concat("[", i, "]");
        flatten(value.items[i], std::move(next), out);
      }
      return;
    case Kind::dict:
    case Kind::named_tuple:
      for (size_t i = 0; i < value.items.size(); ++i) {
        if (value.keys[i].size() > kMostText) return;
        Leaf next = at;
        next.argument += value.kind == Kind::dict ? concat("[", ferry::quoted(value.keys[i]), "]") : concat(".", value.keys[i]);
        next.members.emplace_back(value.keys[i]);
        flatten(value.items[i], std::move(next), out);
      }
      return;
    default:
      if (out.values.size() < 1000) out.values.push_back(concat(at.argument, "=", text_of_value(value)));
      return;
  }
}

}  // namespace

Leaf leaf_of(const StructuredValue& spec) {
  Leaf out;
  out.name = std::string(spec.text);
  if (spec.kind == Kind::tensor_spec || spec.kind == Kind::bounded_tensor_spec) {
    out.dtype = dtype_or_nothing(spec.type_number);
    out.shape = spec.shape;
    return out;
  }
  // The state of a type is a tuple: shape and dtype, of a ragged one the number of ragged axes and the dtype of its row splits too.
  const StructuredValue* state = spec.items.empty() ? nullptr : &spec.items[0];
  const auto item = [&](size_t i) { return state != nullptr && i < state->items.size() ? &state->items[i] : nullptr; };
  if (const auto* shape = item(0); shape != nullptr && shape->kind == Kind::shape) out.shape = shape->shape;
  if (const auto* dtype = item(1); dtype != nullptr && dtype->kind == Kind::dtype) out.dtype = dtype_or_nothing(dtype->type_number);
  if (spec.type_number == kSparseTensorSpec) {
    out.kind = TensorKind::coo;
    out.parts = 3;
    return out;
  }
  if (spec.type_number == kRaggedTensorSpec) {
    const auto* rank = item(2);
    const auto* splits = item(3);
    const int64_t ragged = rank != nullptr && rank->kind == Kind::integer ? rank->integer : 0;
    if (splits != nullptr && splits->kind == Kind::dtype && splits->type_number != 0) out.splits_type = splits->type_number;
    out.ragged_rank = static_cast<size_t>(std::clamp<int64_t>(ragged, 0, 100));
    out.kind = out.ragged_rank > 0 ? TensorKind::ragged : TensorKind::dense;
    out.parts = 1 + out.ragged_rank;
    return out;
  }
  out.opaque = true;
  out.parts = static_cast<size_t>(std::clamp<int64_t>(spec.integer, 0, 1000));
  return out;
}

Flattened flatten_arguments(const StructuredValue& signature, std::span<const std::string> names) {
  Flattened out;
  if (signature.kind != Kind::tuple || signature.items.size() != 2) return out;
  const StructuredValue& positional = signature.items[0];
  const StructuredValue& keywords = signature.items[1];
  for (size_t i = 0; i < positional.items.size(); ++i) {
    Leaf at;
    at.position = i;
    at.argument = i < names.size() ? names[i] : concat("args_", i);
    flatten(positional.items[i], std::move(at), out);
  }
  for (size_t i = 0; i < keywords.keys.size() && i < keywords.items.size(); ++i) {
    if (keywords.keys[i].size() > kMostText) continue;
    Leaf at;
    at.keyword = true;
    at.argument = std::string(keywords.keys[i]);
    at.members.emplace_back(keywords.keys[i]);
    flatten(keywords.items[i], std::move(at), out);
  }
  return out;
}

Flattened flatten_value(const StructuredValue& value, const std::string& name) {
  Flattened out;
  Leaf at;
  at.argument = name;
  flatten(value, std::move(at), out);
  return out;
}

std::vector<std::string> argument_names(const FunctionSpec& spec, const Limits& limits) {
  std::vector<std::string> out;
  if (!spec.fullargspec.present()) return out;
  const auto value = spec.fullargspec.read(limits);
  if (!value.ok()) return out;
  const StructuredValue* args = value->find("args");
  if (args == nullptr) return out;
  for (const StructuredValue& arg : args->items) out.emplace_back(arg.text);
  if (spec.is_method && !out.empty() && out[0] == "self") out.erase(out.begin());
  return out;
}

std::vector<PortPart> parts_of(const Leaf& leaf) {
  std::vector<PortPart> out(leaf.parts);
  const auto set = [&](size_t i, PartRole role, std::optional<DType> dtype, PartialShape shape, size_t level = 0) {
    out[i].role = role;
    out[i].level = level;
    out[i].dtype = dtype;
    out[i].shape = std::move(shape);
  };
  if (leaf.kind == TensorKind::coo) {
    const int64_t rank = leaf.shape.has_rank() ? static_cast<int64_t>(leaf.shape.dims().rank()) : -1;
    set(0, PartRole::indices, DType::int64, Shape{-1, rank});
    set(1, PartRole::values, leaf.dtype, Shape{-1});
    set(2, PartRole::dense_shape, DType::int64, Shape{rank});
  } else if (leaf.kind == TensorKind::ragged) {
    PartialShape values;
    if (leaf.shape.has_rank()) {
      Shape inner{-1};
      for (size_t axis = leaf.ragged_rank + 1; axis < leaf.shape.dims().rank(); ++axis) inner.append(leaf.shape.dims()[axis]);
      values = std::move(inner);
    }
    set(0, PartRole::values, leaf.dtype, std::move(values));
    for (size_t level = 0; level < leaf.ragged_rank; ++level) {
      set(level + 1, PartRole::row_splits, dtype_or_nothing(leaf.splits_type), Shape{-1}, level);
    }
  } else if (!leaf.opaque && out.size() == 1) {
    set(0, PartRole::values, leaf.dtype, leaf.shape);
  }
  return out;
}

}  // namespace ferry::graph
