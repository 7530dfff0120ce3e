#include "ferry/model_variables.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "ferry/signature.h"
#include "graph/detect.h"
#include "graph/parse.h"

namespace ferry {
namespace {

using namespace graph;

bool is_variable(std::string_view op) {
  return op == "VarHandleOp" || op == "VariableV2" || op == "Variable" || op == "AutoReloadVariable" || op == "TemporaryVariable";
}

// What the node says of its variable.
void describe(const Node& node, Wanted& out) {
  if (const auto dtype = node.type("dtype"); dtype.ok()) out.dtype = *dtype;
  if (const auto shape = node.shape("shape"); shape.ok() && shape->has_rank()) out.shape = shape->dims();
}

std::string_view name_of(const Node& node) {
  const auto shared = node.text("shared_name", std::string_view());
  return shared.ok() && !shared->empty() ? *shared : node.name;
}

// Of a variable of the object graph that is nobody's slot, by its path.
Role role_of_path(std::string_view path) {
  if (path.find("keras_api/metrics") != path.npos) return Role::state;
  const std::string_view last = path.substr(path.rfind('/') + 1);
  for (const std::string_view counter : {"global_step", "save_counter", "iterations", "_iterations", "iteration", "step"}) {
    if (last == counter) return Role::counter;
  }
  return Role::weight;
}

// "10 4 0,5:-" → [10, 4]; nothing where the text is another.
std::optional<Shape> whole_shape(std::string_view text) {
  Shape out;
  while (true) {
    const size_t space = text.find(' ');
    if (space == text.npos) return out;
    int64_t dim = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + space, dim);
    if (error != std::errc() || end != text.data() + space || dim < 0 || out.rank() > 253) return std::nullopt;
    out.append(dim);
    text.remove_prefix(space + 1);
  }
}

class Variables {
 public:
  Variables(const MetaGraph& meta, const Limits& limits) : meta_(meta), nodes_(meta.graph().nodes()), limits_(limits) {}

  Result<ModelVariables> run() && {
    if (meta_.has_objects()) FERRY_RETURN_IF_ERROR(from_objects());
    from_objects_ = !out_.wanted.empty();
    if (!from_objects_) FERRY_RETURN_IF_ERROR(from_saver());
    const bool by_node = out_.wanted.empty();
    for (const Node& node : nodes_) {
      if (!is_variable(node.op) || handles_.contains(node.name)) continue;
      if (by_node) {
        Wanted wanted;
        wanted.name = wanted.key = std::string(name_of(node));
        describe(node, wanted);
        handles_.emplace(node.name, ModelVariables::Handle{node.name, out_.wanted.size(), {}});
        out_.wanted.push_back(std::move(wanted));
      } else {
        out_.untied.push_back(node.name);
      }
    }
    if (!from_objects_) FERRY_RETURN_IF_ERROR(describe_by_names());
    out_.trainable.resize(out_.wanted.size());
    for (auto& [name, handle] : handles_) out_.handles.push_back(std::move(handle));
    return std::move(out_);
  }

 private:
  // ---- TF2: the object graph

  static std::string escaped(std::string_view name) {
    std::string out;
    for (const char c : name) {
      if (c == '.') {
        out += "..";
      } else if (c == '/') {
        out += ".S";
      } else {
        out += c;
      }
    }
    return out;
  }

  // The shortest ways from the root, those through an optimizer last: as a checkpoint names its keys.
  static std::vector<std::string> key_paths(const SavedObjects& objects, const Limits& limits) {
    std::vector<std::string> out(objects.nodes().size());
    std::vector<bool> seen(objects.nodes().size());
    std::vector<size_t> later, queue{0};
    seen[0] = true;
    uint64_t total = 0;
    const auto is_optimizer = [&](size_t i) {
      return !objects[i].slots.empty() || objects[i].identifier.find("optimizer") != std::string_view::npos;
    };
    for (int round = 0; round < 2; ++round) {
      for (size_t k = 0; k < queue.size(); ++k) {
        const size_t at = queue[k];
        if (round == 0 && is_optimizer(at)) {
          later.push_back(at);
          continue;
        }
        for (const auto& child : objects[at].children) {
          const auto id = static_cast<size_t>(child.id);
          if (seen[id]) continue;
          std::string path = out[at].empty() ? escaped(child.name) : concat(out[at], "/", escaped(child.name));
          if (path.size() > limits.max_name_bytes || (total += path.size()) > (uint64_t{1} << 28)) continue;
          seen[id] = true;
          out[id] = std::move(path);
          queue.push_back(id);
        }
      }
      queue = std::move(later);
      later.clear();
    }
    return out;
  }

  Status from_objects() {
    FERRY_ASSIGN_OR_RETURN(const SavedObjects objects, meta_.objects());
    if (objects.empty()) return {};
    constexpr std::string_view kValue = "/.ATTRIBUTES/VARIABLE_VALUE";
    std::vector<std::string> paths = key_paths(objects, limits_);
    std::vector<std::optional<size_t>> variable(objects.nodes().size());
    struct SlotOf {
      size_t original;
      std::string_view name;
    };
    std::map<size_t, SlotOf> slots;
    uint64_t slot_bytes = 0;
    for (size_t i = 0; i < objects.nodes().size(); ++i) {
      for (const auto& slot : objects[i].slots) {
        const auto id = static_cast<size_t>(slot.slot_variable), original = static_cast<size_t>(slot.variable);
        slots.emplace(id, SlotOf{original, slot.name});
        slot_bytes += paths[original].size() + paths[i].size() + slot.name.size();
        if (slot_bytes > (uint64_t{1} << 28)) return limit_exceeded("the paths of slot variables take more than 256 MB");
        if (paths[id].empty()) paths[id] = concat(paths[original], "/.OPTIMIZER_SLOT/", paths[i], "/", escaped(slot.name));
      }
    }
    std::map<std::string_view, std::optional<size_t>> by_name;  // nothing: of several
    for (size_t i = 0; i < objects.nodes().size(); ++i) {
      const SavedObject& object = objects[i];
      if (object.kind != SavedObject::Kind::variable) continue;
      Wanted wanted;
      wanted.name = std::string(object.name);
      wanted.path = paths[i];
      if (!wanted.path.empty()) wanted.key = concat(wanted.path, kValue);
      if (const auto dtype = dtype_of_number(object.type_number); dtype.ok()) wanted.dtype = *dtype;
      if (object.shape.has_rank()) wanted.shape = object.shape.dims();
      if (const auto slot = slots.find(i); slot != slots.end()) {
        wanted.role = Role::slot;
        wanted.slot_name = std::string(slot->second.name);
        wanted.slot_of = concat(paths[slot->second.original], kValue);
      } else {
        wanted.role = role_of_path(wanted.path.empty() ? wanted.name : wanted.path);
      }
      variable[i] = out_.wanted.size();
      const auto [it, is_new] = by_name.emplace(object.name, out_.wanted.size());
      if (!is_new) it->second.reset();
      out_.trainable.push_back(object.trainable);
      out_.wanted.push_back(std::move(wanted));
    }
    // What a call in the graph hands to a function behind its arguments is what the function captures.
    for (const Node& node : nodes_) {
      if (node.op != "PartitionedCall" && node.op != "StatefulPartitionedCall") continue;
      const auto function = node.func("f");
      if (!function.ok()) continue;
      const ConcreteFunction* concrete = objects.find_function(function->name);
      if (concrete == nullptr) continue;
      size_t count = node.inputs.size();
      while (count > 0 && node.inputs[count - 1].starts_with('^')) --count;
      if (concrete->bound_inputs.size() > count) continue;
      const size_t first = count - concrete->bound_inputs.size();
      for (size_t k = 0; k < concrete->bound_inputs.size(); ++k) {
        const auto wanted = variable[static_cast<size_t>(concrete->bound_inputs[k])];
        const auto ref = parse_input(node.inputs[first + k]);
        if (!wanted || !ref.ok()) continue;
        const auto at = nodes_.find(ref->node);
        if (at && is_variable(nodes_[*at].op)) tie(nodes_[*at].name, *wanted, {});
      }
    }
    FERRY_RETURN_IF_ERROR(from_restore());
    for (const Node& node : nodes_) {
      if (!is_variable(node.op) || handles_.contains(node.name)) continue;
      for (const std::string_view name : {name_of(node), node.name}) {
        const auto it = by_name.find(name);
        if (it == by_name.end() || !it->second) continue;
        tie(node.name, *it->second, {});
        break;
      }
    }
    return {};
  }

  // The function that a session restores with assigns to its arguments what RestoreV2 reads under constant keys.
  Status from_restore() {
    std::map<std::string_view, size_t> by_key;
    for (size_t i = 0; i < out_.wanted.size(); ++i) by_key.emplace(out_.wanted[i].key, i);
    for (const Node& call : nodes_) {
      if (call.op != "PartitionedCall" && call.op != "StatefulPartitionedCall") continue;
      const auto name = call.func("f");
      if (!name.ok() || name->name.find("restore") == std::string_view::npos) continue;
      const auto function = meta_.graph().functions().read(name->name);
      if (!function.ok()) continue;
      const Nodes& body = function->nodes();
      std::map<size_t, std::vector<std::string>> read_keys;  // of each RestoreV2
      std::map<std::string_view, size_t> arguments;
      for (size_t i = 0; i < function->signature().inputs.size(); ++i) arguments.emplace(function->signature().inputs[i].name, i);
      for (const Node& assign : body) {
        if (assign.op != "AssignVariableOp" || assign.inputs.size() < 2) continue;
        auto value = parse_input(assign.inputs[1]);
        if (value.ok()) {
          const auto at = body.find(value->node);
          if (at && body[*at].op == "Identity" && !body[*at].inputs.empty()) value = parse_input(body[*at].inputs[0]);
        }
        if (!value.ok()) continue;
        const auto restore = body.find(value->node);
        if (!restore || body[*restore].op != "RestoreV2") continue;
        const auto [kept, is_new] = read_keys.try_emplace(*restore);
        if (is_new) kept->second = constant_strings(body, body[*restore], 1);
        const std::vector<std::string>& keys = kept->second;
        if (value->index < 0 || static_cast<size_t>(value->index) >= keys.size()) continue;
        const auto wanted = by_key.find(keys[static_cast<size_t>(value->index)]);
        if (wanted == by_key.end()) continue;
        const auto argument = arguments.find(assign.inputs[0]);
        if (argument == arguments.end() || argument->second >= call.inputs.size()) continue;
        const auto source = parse_input(call.inputs[argument->second]);
        if (!source.ok()) continue;
        const auto node = nodes_.find(source->node);
        if (node && is_variable(nodes_[*node].op)) tie(nodes_[*node].name, wanted->second, {});
      }
    }
    return {};
  }

  void tie(std::string_view node, size_t wanted, std::string slice) {
    handles_.emplace(node, ModelVariables::Handle{node, wanted, std::move(slice)});
  }

  // ---- TF1: what the saver saves

  // The strings of a constant input.
  std::vector<std::string> constant_strings(const Node& node, size_t input) const { return constant_strings(nodes_, node, input); }
  std::vector<std::string> constant_strings(const Nodes& nodes, const Node& node, size_t input) const {
    std::vector<std::string> out;
    if (input >= node.inputs.size()) return out;
    const auto ref = parse_input(node.inputs[input]);
    if (!ref.ok()) return out;
    const auto at = nodes.find(ref->node);
    if (!at || nodes[*at].op != "Const") return out;
    const AttrValue* value = nodes[*at].find("value");
    if (value == nullptr) return out;
    const auto tensor = value->constant(nullptr, limits_);
    if (!tensor.ok() || !tensor->is_string()) return out;
    const StringsView strings = tensor->strings();
    for (int64_t i = 0; i < strings.size(); ++i) out.emplace_back(strings[i]);
    return out;
  }

  // The variable whose value a tensor is.
  const Node* variable_of(std::string_view input) const {
    for (int hops = 0; hops < 8; ++hops) {
      const auto ref = parse_input(input);
      if (!ref.ok() || ref->control) return nullptr;
      const auto at = nodes_.find(ref->node);
      if (!at) return nullptr;
      const Node& node = nodes_[*at];
      if (is_variable(node.op)) return &node;
      if (node.inputs.empty() || (node.op != "Identity" && node.op != "ReadVariableOp" && node.op != "Cast")) return nullptr;
      input = node.inputs[0];
    }
    return nullptr;
  }

  void want(std::string key, const std::string& slice, const Node* variable, std::optional<DType> dtype) {
    const auto known = by_key_.find(key);
    size_t at;
    if (known != by_key_.end()) {
      at = known->second;
    } else {
      at = out_.wanted.size();
      Wanted wanted;
      wanted.name = wanted.key = key;
      wanted.dtype = dtype;
      if (variable != nullptr) describe(*variable, wanted);
      if (!slice.empty()) {
        if (auto whole = whole_shape(slice); whole && whole->rank() > 0) wanted.shape = *std::move(whole);
      }
      by_key_.emplace(std::move(key), at);
      out_.wanted.push_back(std::move(wanted));
    }
    if (variable != nullptr) tie(variable->name, at, slice);
  }

  Status from_saver() {
    const TensorLookup lookup(meta_);
    for (const Node& node : nodes_) {
      const bool v2 = node.op == "SaveV2", slices = node.op == "SaveSlices";
      if (!v2 && !slices && node.op != "Save") continue;
      const std::vector<std::string> keys = constant_strings(node, 1);
      const std::vector<std::string> texts = v2 || slices ? constant_strings(node, 2) : std::vector<std::string>();
      const size_t first = v2 || slices ? 3 : 2;
      for (size_t k = 0; k < keys.size() && first + k < node.inputs.size(); ++k) {
        const std::string_view input = node.inputs[first + k];
        const Node* variable = variable_of(input);
        want(keys[k], k < texts.size() ? texts[k] : std::string(), variable, variable == nullptr ? lookup.find(input).dtype : std::nullopt);
      }
    }
    if (!out_.wanted.empty()) return {};
    // A graph from which saving is stripped still restores; what is restored is assigned.
    for (const Node& node : nodes_) {
      if (node.op != "RestoreV2") continue;
      const std::vector<std::string> keys = constant_strings(node, 1), texts = constant_strings(node, 2);
      std::vector<DType> types;
      if (const AttrValue* value = node.find("dtypes")) {
        if (auto found = value->types(); found.ok()) types = *std::move(found);
      }
      for (size_t k = 0; k < keys.size(); ++k) {
        restored_.emplace(
            k == 0 ? std::string(node.name) : concat(node.name, ":", k),
            Restored{keys[k], k < texts.size() ? texts[k] : std::string(), k < types.size() ? std::optional(types[k]) : std::nullopt});
      }
    }
    for (const Node& node : nodes_) {
      if ((node.op != "Assign" && node.op != "AssignVariableOp") || node.inputs.size() < 2) continue;
      std::string_view value = node.inputs[1];
      if (const auto ref = parse_input(value); ref.ok()) {
        const auto at = nodes_.find(ref->node);
        if (at && nodes_[*at].op == "Identity" && !nodes_[*at].inputs.empty()) value = nodes_[*at].inputs[0];
      }
      const auto it = restored_.find(value);
      if (it != restored_.end()) want(it->second.key, it->second.slice, variable_of(node.inputs[0]), it->second.dtype);
    }
    for (const auto& [tensor, restored] : restored_) {
      if (!by_key_.contains(restored.key)) want(restored.key, restored.slice, nullptr, restored.dtype);
    }
    return {};
  }

  // What is told of a checkpoint's variables by their names is told of these: roles, and whose slots they are.
  Status describe_by_names() {
    std::vector<TensorInfo> infos(out_.wanted.size());
    for (size_t i = 0; i < infos.size(); ++i) {
      infos[i].name = out_.wanted[i].key;
      infos[i].dtype = out_.wanted[i].dtype.value_or(DType::float32);
      if (out_.wanted[i].shape) infos[i].shape = *out_.wanted[i].shape;
    }
    FERRY_ASSIGN_OR_RETURN(const auto described, describe_variables(infos, nullptr));
    for (const Variable& variable : described) {
      Wanted& wanted = out_.wanted[variable.tensor];
      wanted.role = variable.role;
      wanted.slot_name = variable.slot_name;
      wanted.slot_of = variable.slot_of;
    }
    return {};
  }

  struct Restored {
    std::string key, slice;
    std::optional<DType> dtype;
  };
  const MetaGraph& meta_;
  const Nodes& nodes_;
  const Limits& limits_;
  ModelVariables out_;
  bool from_objects_ = false;
  std::map<std::string_view, ModelVariables::Handle> handles_;
  std::map<std::string, size_t> by_key_;
  std::map<std::string, Restored, std::less<>> restored_;
};

}  // namespace

const ModelVariables::Handle* ModelVariables::find(std::string_view node) const {
  const auto it = std::ranges::lower_bound(handles, node, {}, &Handle::node);
  return it != handles.end() && it->node == node ? &*it : nullptr;
}

uint64_t ModelVariables::num_bytes() const {
  uint64_t out = 0;
  for (const Wanted& variable : wanted) {
    if (!variable.dtype || !variable.shape) continue;
    uint64_t elements = 1;
    bool known = true;
    for (const int64_t dim : *variable.shape) {
      known &= dim >= 0 && !__builtin_mul_overflow(elements, static_cast<uint64_t>(dim), &elements);
    }
    uint64_t bytes = 0;
    if (known && !__builtin_mul_overflow(elements, dtype_size(*variable.dtype), &bytes) && bytes < (uint64_t{1} << 60)) out += bytes;
  }
  return out;
}

Result<ModelVariables> model_variables(const MetaGraph& meta, const Limits& limits) { return Variables(meta, limits).run(); }

Result<Checkpoint> open_variables(const StoredModel& model, ReadOptions options) {
  const auto prefix = model.variables();
  if (!prefix) {
    return not_found(model.kind() == ModelKind::saved_model ? "the SavedModel has no variables/variables.index"
                                                            : "no checkpoint lies beside the graph");
  }
  std::string name = concat(*prefix, ".index");
  if (!model.has(name)) name = *prefix;
  if (!model.has(name)) name = graph::first_v1_shard(*model.folder(), *prefix).value_or(name);
  FERRY_ASSIGN_OR_RETURN(const auto source, model.folder()->open(name));
  options.parts.enabled = false;
  auto checkpoint = Checkpoint::open(Place{source, nullptr}, find_format("ckpt"), options);
  if (!checkpoint.ok()) return checkpoint.status().with_context(name);
  return checkpoint;
}

}  // namespace ferry
