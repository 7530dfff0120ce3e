// Signatures: what SignatureDefs say, what the graph says of the same tensors, and what the functions behind them took before their
// arguments were flattened.
//
// tf.saved_model.save writes, for a function f(features: SparseTensor, x: {"a", "b"}), a signature of plain tensors features, features_1,
// features_2, x, x_1. They are placeholders that a call of __inference_signature_wrapper_f takes; within, the wrapper calls __inference_f
// with the same tensors; and the object graph keeps __inference_f's arguments as they were (canonicalized_input_signature). So the way is:
// key → placeholder → argument of the wrapper → argument of the function → leaf of the structure.
#include "ferry/signature.h"

#include <algorithm>
#include <map>
#include <set>

#include "graph/keras_names.h"
#include "graph/parse.h"
#include "graph/structure.h"

namespace ferry {
namespace {

using namespace graph;

constexpr std::string_view kInitKey = "__saved_model_init_op", kTrainKey = "__saved_model_train_op";

bool is_call(std::string_view op) { return op == "PartitionedCall" || op == "StatefulPartitionedCall"; }

std::string_view without_port(std::string_view tensor) { return tensor.ends_with(":0") ? tensor.substr(0, tensor.size() - 2) : tensor; }

// "__inference_f_36" → "f".
std::string_view base_name(std::string_view function) {
  constexpr std::string_view kPrefix = "__inference_";
  if (function.starts_with(kPrefix)) function.remove_prefix(kPrefix.size());
  const size_t end = function.find_last_not_of("0123456789");
  if (end != function.npos && function[end] == '_' && end + 1 < function.size()) function = function.substr(0, end);
  return function;
}

bool compatible(const PartialShape& a, const PartialShape& b) {
  if (!a.has_rank() || !b.has_rank()) return true;
  if (a.dims().rank() != b.dims().rank()) return false;
  for (size_t i = 0; i < a.dims().rank(); ++i) {
    if (a.dims()[i] >= 0 && b.dims()[i] >= 0 && a.dims()[i] != b.dims()[i]) return false;
  }
  return true;
}

// A shape that an array of this partial one could have, for the Parts rule: one entry, one row.
Shape some_shape(const PartialShape& shape) {
  Shape out = shape.dims();
  for (size_t i = 0; i < out.rank(); ++i) out[i] = std::max<int64_t>(out[i], 1);
  return out;
}

// "x_12" → "x", 12; "x" → "x", 0.
std::pair<std::string_view, int64_t> split_number(std::string_view key) {
  const size_t end = key.find_last_not_of("0123456789");
  if (end == key.npos || key[end] != '_' || end + 1 == key.size() || key.size() - end > 10 || end == 0) return {key, 0};
  int64_t number = 0;
  for (const char c : key.substr(end + 1)) number = 10 * number + (c - '0');
  return {key.substr(0, end), number};
}

class SignatureReader {
 public:
  SignatureReader(const MetaGraph& meta, std::string_view keras_metadata, const Limits& limits)
      : meta_(meta), lookup_(meta), limits_(limits) {
    if (meta.has_objects()) {
      if (auto objects = meta.objects(); objects.ok()) {
        objects_ = *std::move(objects);
      } else {
        trouble_ = concat("the object graph cannot be read: ", objects.status().message());
      }
    }
    std::string_view metadata = keras_root_metadata(keras_metadata);
    if (metadata.empty() && !objects_.empty() && objects_[0].identifier.starts_with("_tf_keras")) metadata = objects_[0].metadata;
    if (!metadata.empty()) keras_names_ = keras_input_names(metadata);
    for (const Node& node : meta.graph().nodes()) {
      if (is_call(node.op)) calls_.push_back(&node);
    }
  }

  Signature read(const SignatureDef& def) {
    Signature out;
    out.key = std::string(def.key);
    out.method = std::string(def.method);
    if (!trouble_.empty()) out.notes.push_back(trouble_);
    std::vector<Port> plain;
    for (const auto& [key, place] : def.inputs) {
      Port port = port_of(key, place, out.notes);
      if (place.kind != TensorPlace::Kind::name) {
        out.inputs.push_back(std::move(port));
        continue;
      }
      for (const auto& [name, value] : def.defaults) {
        if (name == key) port.parts[0].default_value = value;
      }
      plain.push_back(std::move(port));
    }
    if (!restructure(plain, out)) {
      group_by_names(plain, out.inputs);
      group_by_pattern(plain, out.inputs);
      for (Port& port : plain) out.inputs.push_back(std::move(port));
      std::ranges::stable_sort(out.inputs, {}, &Port::name);
    }
    plain.clear();
    for (const auto& [key, place] : def.outputs) {
      Port port = port_of(key, place, out.notes);
      (place.kind == TensorPlace::Kind::name ? plain : out.outputs).push_back(std::move(port));
    }
    group_by_names(plain, out.outputs);
    for (Port& port : plain) out.outputs.push_back(std::move(port));
    std::ranges::stable_sort(out.outputs, {}, &Port::name);
    return out;
  }

 private:
  // ---- One TensorInfo

  // The graph's word on a tensor counts for more than the signature's.
  PortPart part_of(std::string_view key, std::string_view tensor, int type_number, const PartialShape& shape,
                   std::vector<std::string>& notes) const {
    PortPart out;
    out.key = std::string(key);
    out.tensor = std::string(tensor);
    const TensorFacts facts = lookup_.find(tensor);
    if (!facts.exists && !tensor.empty()) notes.push_back(concat("the graph has no tensor ", quoted(tensor)));
    std::optional<DType> said;
    if (const auto dtype = dtype_of_number(type_number); dtype.ok()) said = *dtype;
    out.dtype = facts.dtype ? facts.dtype : said;
    if (facts.dtype && said && *facts.dtype != *said) {
      notes.push_back(concat(quoted(key.empty() ? tensor : key), " is said to be ", dtype_name(*said), ", and is ",
                             dtype_name(*facts.dtype), " in the graph"));
    }
    out.shape = shape.has_rank() ? shape : facts.shape;
    if (!compatible(shape, facts.shape)) {
      notes.push_back(concat(quoted(key.empty() ? tensor : key), " is said to be of shape ", shape.to_string(), ", and is ",
                             facts.shape.to_string(), " in the graph"));
      out.shape = facts.shape;
    }
    return out;
  }

  Port port_of(std::string_view key, const TensorPlace& place, std::vector<std::string>& notes) const {
    Port out;
    out.name = std::string(key);
    switch (place.kind) {
      case TensorPlace::Kind::none: notes.push_back(concat(quoted(key), " names no tensor")); [[fallthrough]];
      case TensorPlace::Kind::name:
        out.parts.push_back(part_of(key, place.name, place.type_number, place.shape, notes));
        out.dtype = out.parts[0].dtype;
        out.shape = out.parts[0].shape;
        return out;
      case TensorPlace::Kind::coo_sparse: {
        Leaf leaf;
        leaf.kind = TensorKind::coo;
        leaf.parts = 3;
        leaf.shape = place.shape;
        std::vector<PortPart> wanted = parts_of(leaf);
        const std::string_view names[] = {place.indices, place.values, place.dense_shape};
        out.kind = TensorKind::coo;
        for (size_t i = 0; i < 3; ++i) {
          PortPart part = part_of({}, names[i], i == 1 ? place.type_number : static_cast<int>(DType::int64), {}, notes);
          part.role = wanted[i].role;
          if (!part.shape.has_rank()) part.shape = wanted[i].shape;
          out.parts.push_back(std::move(part));
        }
        out.dtype = out.parts[1].dtype;
        out.shape = place.shape;
        if (!out.shape.has_rank()) out.shape = sparse_shape(out.parts[0].shape, out.parts[2].shape);
        return out;
      }
      case TensorPlace::Kind::composite: {
        const auto spec = place.read_type_spec(limits_);
        Leaf leaf;
        if (spec.ok()) {
          leaf = leaf_of(*spec);
        } else {
          notes.push_back(concat(quoted(key), ": ", spec.status().message()));
          leaf.opaque = true;
        }
        if (leaf.opaque || leaf.parts != place.components.size()) {
          if (!leaf.opaque) notes.push_back(concat(quoted(key), " has ", place.components.size(), " components, expected ", leaf.parts));
          leaf.opaque = true;
          leaf.kind = TensorKind::dense;
          leaf.parts = place.components.size();
        }
        std::vector<PortPart> wanted = parts_of(leaf);
        out.kind = leaf.kind;
        for (size_t i = 0; i < place.components.size(); ++i) {
          const TensorPlace& component = place.components[i];
          PortPart part = part_of({}, component.name, component.type_number, component.shape, notes);
          part.role = wanted[i].role;
          part.level = wanted[i].level;
          if (!part.shape.has_rank()) part.shape = wanted[i].shape;
          out.parts.push_back(std::move(part));
        }
        out.dtype = leaf.dtype;
        out.shape = leaf.shape;
        if (leaf.opaque && out.parts.size() == 1) {
          out.dtype = out.parts[0].dtype;
          out.shape = out.parts[0].shape;
        }
        return out;
      }
    }
    __builtin_unreachable();
  }

  // What the parts of a sparse tensor say of its rank.
  static PartialShape sparse_shape(const PartialShape& indices, const PartialShape& dense_shape) {
    int64_t rank = -1;
    if (indices.has_rank() && indices.dims().rank() == 2) rank = indices.dims()[1];
    if (rank < 0 && dense_shape.has_rank() && dense_shape.dims().rank() == 1) rank = dense_shape.dims()[0];
    if (rank < 0 || rank > 254) return {};
    Shape dims;
    for (int64_t i = 0; i < rank; ++i) dims.append(-1);
    return dims;
  }

  // ---- The function behind the signature

  // False once so much has been looked through that only a made-up file can need more.
  bool afford(size_t work) const { return (work_ += work) < (uint64_t{1} << 30); }

  const Node* call_of(const std::map<std::string_view, size_t>& by_tensor) const {
    for (const Node* call : calls_) {
      if (!afford(64 * call->inputs.size() + 64)) return nullptr;
      std::set<size_t> found;
      for (const std::string_view input : call->inputs) {
        if (const auto it = by_tensor.find(without_port(input)); it != by_tensor.end()) found.insert(it->second);
      }
      if (found.size() == by_tensor.size()) return call;
    }
    return nullptr;
  }

  struct Structure {
    Flattened flat;
    std::vector<size_t> argument_of;  // of each plain tensor: the argument of the wrapper
    bool keras = false;               // the arguments are a Keras model's inputs
  };

  std::vector<std::string> names_of(std::string_view function) const {
    for (const auto kind : {SavedObject::Kind::function, SavedObject::Kind::bare_concrete_function}) {
      for (const SavedObject& object : objects_.nodes()) {
        if (object.kind == kind && std::ranges::find(object.concrete_functions, function) != object.concrete_functions.end()) {
          if (auto names = argument_names(object.function_spec, limits_); !names.empty()) return names;
        }
      }
    }
    return {};
  }

  static size_t tensor_count(const Flattened& flat) {
    size_t out = 0;
    for (const Leaf& leaf : flat.leaves) out += leaf.parts;
    return out;
  }

  // Of a function that is not among the concrete ones, from another trace of the same name whose tensors are alike.
  std::optional<Flattened> from_twin(std::string_view function, const std::vector<const PortPart*>& tensors) const {
    for (const ConcreteFunction& candidate : objects_.functions()) {
      if (!afford(64)) return std::nullopt;
      if (base_name(candidate.name) != base_name(function)) continue;
      if (!afford(8 * candidate.input_signature.message.size() + 64 * objects_.nodes().size())) return std::nullopt;
      const auto value = candidate.input_signature.read(limits_);
      if (!value.ok()) continue;
      Flattened flat = flatten_arguments(*value, names_of(candidate.name));
      if (tensor_count(flat) != tensors.size()) continue;
      size_t at = 0;
      bool same = true;
      for (const Leaf& leaf : flat.leaves) {
        for (const PortPart& part : parts_of(leaf)) {
          const PortPart& tensor = *tensors[at++];
          same &= (!part.dtype || !tensor.dtype || *part.dtype == *tensor.dtype) && compatible(part.shape, tensor.shape);
        }
      }
      if (same) return flat;
    }
    return std::nullopt;
  }

  using Ports = std::vector<std::optional<size_t>>;  // of a call's inputs, those that are ports

  std::optional<Structure> structure_of(const std::vector<Port>& plain, const std::map<std::string_view, size_t>& by_tensor) const {
    const Node* call = call_of(by_tensor);
    if (call == nullptr) return std::nullopt;
    const auto wrapper = call->func("f");
    if (!wrapper.ok()) return std::nullopt;
    Ports ports;
    for (const std::string_view input : call->inputs) {
      const auto port = by_tensor.find(without_port(input));
      ports.push_back(port == by_tensor.end() ? std::nullopt : std::optional(port->second));
    }
    return behind(wrapper->name, ports, plain, 0);
  }

  // The arguments of the function that a wrapper calls with its own, `ports`. A model that was loaded and saved again has a wrapper in
  // a wrapper.
  std::optional<Structure> behind(std::string_view wrapper_name, const Ports& ports, const std::vector<Port>& plain, int depth) const {
    const auto position = meta_.graph().functions().find(wrapper_name);
    if (!position || !afford(8 * meta_.graph().functions().message(*position).size())) return std::nullopt;
    const auto wrapper = meta_.graph().functions().read(*position);
    if (!wrapper.ok()) return std::nullopt;
    std::map<std::string_view, size_t> arguments;
    for (size_t i = 0; i < wrapper->signature().inputs.size(); ++i) arguments.emplace(wrapper->signature().inputs[i].name, i);
    // The port that an input within the wrapper is, through identities.
    const auto port_at = [&](std::string_view input) -> std::optional<size_t> {
      for (int hops = 0; hops < 4; ++hops) {
        const auto ref = parse_input(input);
        if (!ref.ok() || ref->control) return std::nullopt;
        if (ref->output.empty()) {
          if (const auto it = arguments.find(ref->node); it != arguments.end())
            return it->second < ports.size() ? ports[it->second] : std::nullopt;
        }
        const auto node = wrapper->nodes().find(ref->node);
        if (!node || wrapper->nodes()[*node].op != "Identity" || wrapper->nodes()[*node].inputs.empty()) return std::nullopt;
        input = wrapper->nodes()[*node].inputs[0];
      }
      return std::nullopt;
    };
    for (const Node& inner : wrapper->nodes()) {
      if (!is_call(inner.op)) continue;
      const auto function = inner.func("f");
      if (!function.ok()) continue;
      Structure out;
      Ports inner_ports;
      std::vector<const PortPart*> tensors;
      for (const std::string_view input : inner.inputs) {
        const auto port = port_at(input);
        inner_ports.push_back(port);
        // What the function captures comes last.
        if (!port || inner_ports.size() != tensors.size() + 1) continue;
        out.argument_of.push_back(*port);
        tensors.push_back(&plain[*port].parts[0]);
      }
      if (depth < 4 && function->name.find("signature_wrapper") != std::string_view::npos) {
        if (auto deeper = behind(function->name, inner_ports, plain, depth + 1)) return deeper;
      }
      if (const ConcreteFunction* concrete = objects_.find_function(function->name)) {
        if (!afford(8 * concrete->input_signature.message.size() + 64 * objects_.nodes().size())) return std::nullopt;
        const auto value = concrete->input_signature.read(limits_);
        if (!value.ok()) continue;
        out.flat = flatten_arguments(*value, names_of(function->name));
      } else if (auto twin = from_twin(function->name, tensors)) {
        out.flat = *std::move(twin);
      } else {
        continue;
      }
      out.keras = function->name.find("__wrapped_model") != std::string_view::npos;
      if (tensor_count(out.flat) == out.argument_of.size() && !out.flat.leaves.empty()) return out;
    }
    return std::nullopt;
  }

  // The name that someone gave to the keys of a port's parts; empty where they are made from the argument's: x, x_1, x_2.
  static std::string given_name(const Port& port, std::string_view argument) {
    const std::string_view first = port.parts[0].key;
    if (port.parts.size() == 1) return split_number(first).first == argument || first == argument ? std::string() : std::string(first);
    std::vector<ArrayInfo> arrays;
    for (const PortPart& part : port.parts) {
      if (!part.dtype || !part.shape.has_rank()) return {};
      arrays.push_back({part.key, *part.dtype, some_shape(part.shape)});
    }
    const auto grouping = find_parts(arrays, {});
    if (!grouping.ok() || grouping->groups.size() != 1 || grouping->groups[0].parts.size() != arrays.size()) return {};
    return grouping->groups[0].name;
  }

  // Puts the plain inputs together as the function behind took them. False where that is not known.
  bool restructure(std::vector<Port>& plain, Signature& out) const {
    if (objects_.empty() || plain.empty()) return false;
    std::map<std::string_view, size_t> by_tensor;
    for (size_t i = 0; i < plain.size(); ++i) by_tensor.emplace(without_port(plain[i].parts[0].tensor), i);
    auto structure = structure_of(plain, by_tensor);
    if (!structure) return false;
    std::vector<Leaf>& leaves = structure->flat.leaves;
    const bool layers = structure->keras && keras_names_.size() == leaves.size();
    std::vector<bool> taken(plain.size());
    std::vector<Port> ports;
    std::vector<std::vector<std::string>> names;  // of each port, the best first
    size_t at = 0;
    for (size_t l = 0; l < leaves.size(); ++l) {
      const Leaf& leaf = leaves[l];
      Port port;
      port.kind = leaf.kind;
      port.argument = leaf.argument;
      port.origin = leaf.parts == 1 ? PortOrigin::declared : PortOrigin::structured;
      std::vector<PortPart> wanted = parts_of(leaf);
      for (size_t p = 0; p < leaf.parts; ++p) {
        const size_t i = structure->argument_of[at++];
        if (taken[i]) return false;
        taken[i] = true;
        PortPart part = plain[i].parts[0];
        part.role = wanted[p].role;
        part.level = wanted[p].level;
        if (leaf.opaque) {
          ports.push_back(plain[i]);
          ports.back().argument = leaf.argument;
          names.push_back({plain[i].name});
        } else {
          port.parts.push_back(std::move(part));
        }
      }
      if (leaf.opaque || port.parts.empty()) continue;
      // The signature may know more of a plain tensor than the function's spec.
      port.dtype = port.parts[leaf.kind == TensorKind::coo ? 1 : 0].dtype;
      if (!port.dtype) port.dtype = leaf.dtype;
      port.shape = leaf.parts == 1 && port.parts[0].shape.has_rank() ? port.parts[0].shape : leaf.shape;
      std::vector<std::string> candidates;
      const size_t head = leaf.argument.find_first_of("[.");
      const std::string_view argument = std::string_view(leaf.argument).substr(0, head);
      if (std::string given = given_name(port, argument); !given.empty()) {
        candidates.push_back(std::move(given));
      } else if (!leaf.members.empty()) {
        std::string joined;
        for (const std::string& member : leaf.members) joined += concat(joined.empty() ? "" : "/", member);
        candidates.push_back(joined);
        if (!leaf.keyword) candidates.push_back(concat(argument, "/", joined));
      } else if (layers) {
        candidates.push_back(keras_names_[l]);
      }
      candidates.push_back(port.parts[0].key);
      names.push_back(std::move(candidates));
      ports.push_back(std::move(port));
    }
    // A name must not be that of another port, nor the flat key of another port's part.
    std::map<std::string_view, size_t> owner, wished;
    for (size_t i = 0; i < ports.size(); ++i) {
      for (const PortPart& part : ports[i].parts) owner.emplace(part.key, i);
      ++wished[names[i][0]];
    }
    for (size_t i = 0; i < ports.size(); ++i) {
      ports[i].name = ports[i].parts[0].key;
      for (const std::string& name : names[i]) {
        const auto key = owner.find(name);
        if ((key != owner.end() && key->second != i) || wished[name] > (name == names[i][0] ? 1 : 0)) continue;
        ports[i].name = name;
        break;
      }
    }
    for (size_t i = 0; i < plain.size(); ++i) {
      if (!taken[i]) ports.push_back(std::move(plain[i]));  // a second key of the same tensor
    }
    for (Port& port : ports) out.inputs.push_back(std::move(port));
    return true;
  }

  // ---- Without it

  static void take(std::vector<Port>& plain, const std::vector<size_t>& members, const std::vector<PartRole>& roles,
                   const std::vector<size_t>& levels, Port port, std::vector<Port>& out) {
    for (size_t k = 0; k < members.size(); ++k) {
      PortPart part = plain[members[k]].parts[0];
      part.role = roles[k];
      part.level = levels[k];
      port.parts.push_back(std::move(part));
    }
    if (port.kind == TensorKind::coo) {
      port.dtype = port.parts[1].dtype;
      port.shape = sparse_shape(port.parts[0].shape, port.parts[2].shape);
    } else {
      port.dtype = port.parts[0].dtype;
    }
    out.push_back(std::move(port));
  }
  static void erase(std::vector<Port>& plain, const std::set<size_t>& gone) {
    size_t kept = 0;
    for (size_t i = 0; i < plain.size(); ++i) {
      if (gone.contains(i)) continue;
      if (kept != i) plain[kept] = std::move(plain[i]);
      ++kept;
    }
    plain.resize(kept);
  }

  // x/indices, x/values, x/dense_shape and their like.
  static void group_by_names(std::vector<Port>& plain, std::vector<Port>& out) {
    std::vector<ArrayInfo> arrays;
    std::vector<size_t> ports;
    for (size_t i = 0; i < plain.size(); ++i) {
      if (!plain[i].dtype || !plain[i].shape.has_rank()) continue;
      arrays.push_back({plain[i].name, *plain[i].dtype, some_shape(plain[i].shape)});
      ports.push_back(i);
    }
    const auto grouping = find_parts(arrays, {});
    if (!grouping.ok()) return;
    std::set<size_t> gone;
    for (const PartGroup& group : grouping->groups) {
      const bool coo = group.kind == TensorKind::coo && group.parts.size() == 3, ragged = group.kind == TensorKind::ragged;
      if (!coo && !ragged) continue;
      std::vector<size_t> members;
      std::vector<PartRole> roles;
      std::vector<size_t> levels;
      bool fits = true;
      const auto pick = [&](PartRole role) {
        for (const Part& part : group.parts) {
          if (part.role != role) continue;
          members.push_back(ports[part.array]);
          roles.push_back(role);
          levels.push_back(part.level);
        }
      };
      if (coo) {
        for (const PartRole role : {PartRole::indices, PartRole::values, PartRole::dense_shape}) pick(role);
      } else {
        pick(PartRole::values);
        pick(PartRole::row_splits);
      }
      fits = members.size() == group.parts.size();
      if (!fits) continue;
      Port port;
      port.name = group.name;
      port.kind = group.kind;
      port.origin = PortOrigin::named;
      take(plain, members, roles, levels, std::move(port), out);
      gone.insert(members.begin(), members.end());
    }
    erase(plain, gone);
  }

  // x, x_1, x_2 of the dtypes and shapes of a sparse tensor's parts.
  static void group_by_pattern(std::vector<Port>& plain, std::vector<Port>& out) {
    std::map<std::pair<std::string_view, int64_t>, size_t> numbered;
    for (size_t i = 0; i < plain.size(); ++i) numbered.emplace(split_number(plain[i].name), i);
    const auto rank_is = [&](size_t i, size_t rank) { return plain[i].shape.has_rank() && plain[i].shape.dims().rank() == rank; };
    std::set<size_t> gone;
    for (const auto& [name, first] : numbered) {
      const auto second = numbered.find({name.first, name.second + 1}), third = numbered.find({name.first, name.second + 2});
      if (second == numbered.end() || third == numbered.end()) continue;
      const size_t a = first, b = second->second, c = third->second;
      if (gone.contains(a) || gone.contains(b) || gone.contains(c)) continue;
      if (plain[a].dtype != DType::int64 || plain[c].dtype != DType::int64 || !rank_is(a, 2) || !rank_is(b, 1) || !rank_is(c, 1)) continue;
      const int64_t rank = plain[a].shape.dims()[1], length = plain[c].shape.dims()[0];
      // Both unknown is no pattern at all.
      if ((rank < 0 && length < 0) || (rank >= 0 && length >= 0 && rank != length)) continue;
      if (plain[a].shape.dims()[0] >= 0 && plain[b].shape.dims()[0] >= 0 && plain[a].shape.dims()[0] != plain[b].shape.dims()[0]) continue;
      Port port;
      port.name = plain[a].name;
      port.kind = TensorKind::coo;
      port.origin = PortOrigin::proposed;
      take(plain, {a, b, c}, {PartRole::indices, PartRole::values, PartRole::dense_shape}, {0, 0, 0}, std::move(port), out);
      gone.insert({a, b, c});
    }
    // The keys of `numbered` are views into the ports.
    numbered.clear();
    erase(plain, gone);
  }

  const MetaGraph& meta_;
  TensorLookup lookup_;
  const Limits& limits_;
  SavedObjects objects_;
  std::string trouble_;
  std::vector<std::string> keras_names_;
  std::vector<const Node*> calls_;
  mutable uint64_t work_ = 0;
};

}  // namespace

std::string_view port_origin_name(PortOrigin origin) {
  switch (origin) {
    case PortOrigin::declared: return "declared";
    case PortOrigin::structured: return "structured";
    case PortOrigin::named: return "named";
    case PortOrigin::proposed: return "proposed";
  }
  __builtin_unreachable();
}

std::string_view Signature::short_method() const {
  constexpr std::string_view kPrefix = "tensorflow/serving/";
  const std::string_view text = method;
  return text.starts_with(kPrefix) ? text.substr(kPrefix.size()) : text;
}
const Port* Signature::find_input(std::string_view name) const {
  const auto it = std::ranges::find(inputs, name, [](const Port& port) { return std::string_view(port.name); });
  return it == inputs.end() ? nullptr : &*it;
}
const Port* Signature::find_output(std::string_view name) const {
  const auto it = std::ranges::find(outputs, name, [](const Port& port) { return std::string_view(port.name); });
  return it == outputs.end() ? nullptr : &*it;
}

Result<std::vector<Signature>> read_signatures(const MetaGraph& meta, std::string_view keras_metadata, const Limits& limits) {
  std::vector<Signature> out;
  SignatureReader reader(meta, keras_metadata, limits);
  for (const SignatureDef& def : meta.signatures()) {
    if (def.key != kInitKey && def.key != kTrainKey) out.push_back(reader.read(def));
  }
  return out;
}

Result<std::vector<Signature>> read_signatures(const StoredModel& model, const MetaGraph& meta) {
  constexpr std::string_view kMetadata = "keras_metadata.pb";
  Buffer bytes;
  if (model.has_keras_metadata()) {
    if (const auto source = model.folder()->open(kMetadata); source.ok() && (*source)->size() < (uint64_t{1} << 28)) {
      if (auto view = (*source)->view(0, (*source)->size()); view.ok()) bytes = *std::move(view);
    }
  }
  return read_signatures(meta, bytes.text());
}

std::vector<std::string> init_ops(const MetaGraph& meta) {
  std::vector<std::string> out;
  const auto node_of = [](std::string_view tensor) { return std::string(tensor.substr(0, tensor.find(':'))); };
  if (const SignatureDef* def = meta.find_signature(kInitKey)) {
    for (const auto& [key, place] : def->outputs) {
      if (!place.name.empty()) out.push_back(node_of(place.name));
    }
  }
  for (const std::string_view name : {"saved_model_main_op", "legacy_init_op", "table_initializer"}) {
    if (!out.empty()) break;
    const auto collection = meta.collection(name);
    if (!collection.ok()) continue;
    for (const std::string_view node : collection->texts) out.push_back(node_of(node));
  }
  return out;
}

// ---- Functions

namespace {

// Functions that a person did not write: Keras's plumbing, resources' life cycles, saving and restoring.
bool is_internal(std::string_view path) {
  const std::string_view last = path.substr(path.rfind('/') + 1);
  if (path.starts_with("signatures/") || path.find("keras_api") != path.npos) return true;
  if (last.starts_with("trace_") || last.find("call_and_return") != last.npos) return true;
  if (last == "__call__") return path != last;
  return last.starts_with("_");
}

Port port_of_leaf(const Leaf& leaf) {
  Port out;
  out.name = leaf.argument;
  out.argument = leaf.argument;
  out.kind = leaf.kind;
  out.dtype = leaf.dtype;
  out.shape = leaf.shape;
  out.origin = leaf.parts == 1 ? PortOrigin::declared : PortOrigin::structured;
  out.parts = parts_of(leaf);
  return out;
}

}  // namespace

Result<std::vector<CallableFunction>> callable_functions(const MetaGraph& meta, bool all, const Limits& limits) {
  std::vector<CallableFunction> out;
  uint64_t work = 0;  // one concrete function may be named any number of times
  if (!meta.has_objects()) return out;
  FERRY_ASSIGN_OR_RETURN(const SavedObjects objects, meta.objects());
  const std::vector<std::string> paths = objects.paths();
  for (size_t i = 0; i < objects.nodes().size(); ++i) {
    const SavedObject& object = objects[i];
    const bool bare = object.kind == SavedObject::Kind::bare_concrete_function;
    if (object.kind != SavedObject::Kind::function && !bare) continue;
    if (paths[i].empty()) continue;
    // The traces of a function are objects too, below it.
    if (!all && is_internal(paths[i])) continue;
    if (bare && paths[i].substr(paths[i].rfind('/') + 1).starts_with("trace_")) continue;
    CallableFunction function;
    function.path = paths[i];
    for (const std::string_view name : object.concrete_functions) {
      const ConcreteFunction* concrete = objects.find_function(name);
      if (concrete == nullptr) continue;
      work += concrete->input_signature.message.size() + concrete->output_signature.message.size() + name.size() + 64;
      if (work > (uint64_t{1} << 27)) return limit_exceeded("the object graph names its functions too many times");
      CallableFunction::Trace trace;
      trace.function = std::string(name);
      if (const auto value = concrete->input_signature.read(limits); value.ok()) {
        const Flattened flat = flatten_arguments(*value, argument_names(object.function_spec, limits));
        for (const Leaf& leaf : flat.leaves) trace.inputs.push_back(port_of_leaf(leaf));
        trace.values = flat.values;
      }
      if (const auto value = concrete->output_signature.read(limits); value.ok()) {
        for (const Leaf& leaf : flatten_value(*value, "").leaves) {
          Port port = port_of_leaf(leaf);
          std::string joined;
          for (const std::string& member : leaf.members) joined += concat(joined.empty() ? "" : "/", member);
          port.name = joined.empty() ? concat("output", leaf.argument) : std::move(joined);
          trace.outputs.push_back(std::move(port));
        }
      }
      function.traces.push_back(std::move(trace));
    }
    if (!function.traces.empty()) out.push_back(std::move(function));
  }
  std::ranges::stable_sort(out, {}, &CallableFunction::path);
  return out;
}

}  // namespace ferry
