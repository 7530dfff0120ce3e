#include "engine/builder.h"

#include <algorithm>
#include <unordered_map>

#include "engine/control.h"
#include "engine/frames.h"

namespace ferry::engine {

using ops::NodeInfo;
using ops::Value;

namespace {

constexpr size_t kMostInlined = 64;          // calls within calls; deeper ones (recursion) stay calls
constexpr uint64_t kMostFolded = 16u << 20;  // bytes of one result worked out at load that its inputs did not have
constexpr size_t kMostNamed = 5;             // nodes named in one problem

// One output of an item. Items are what steps are made from.
struct Port {
  int32_t item = -1;
  int32_t output = 0;
};

struct Item {
  std::unique_ptr<NodeInfo> info;
  ops::KernelRef kernel;
  std::vector<Port> inputs;
  std::vector<int32_t> controls;  // items that come first
  std::vector<Value> folded;      // the outputs, where they are known
  size_t num_outputs = 0;
  bool is_feed = false, may_be_dead = false, is_merge = false, live = false, is_guard = false;
  uint32_t slot = 0;
};

bool is_any_of(std::string_view text, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, text) != names.end();
}
bool is_call(std::string_view op) { return op == "PartitionedCall" || op == "StatefulPartitionedCall"; }
// What hands its input on, whatever it is.
bool is_alias(std::string_view op) { return is_any_of(op, {"Identity", "StopGradient", "PreventGradient", "Snapshot", "IdentityN"}); }

uint64_t bytes_of(std::span<const Value> values) {
  uint64_t out = 0;
  for (const Value& value : values) out += value.is_tensor() ? value.tensor().num_bytes() : 0;
  return out;
}

}  // namespace

Status Problems::status() const {
  if (empty()) return {};
  std::string out;
  if (!unknown_ops.empty()) {
    out += concat("this engine has no kernel for ", unknown_ops.size(), unknown_ops.size() == 1 ? " op: " : " ops: ");
    bool first = true;
    for (const auto& [op, nodes] : unknown_ops) {
      out += concat(first ? "" : ", ", op, " (");
      first = false;
      for (size_t i = 0; i < std::min(nodes.size(), kMostNamed); ++i) out += concat(i == 0 ? "" : ", ", nodes[i]);
      out += nodes.size() > kMostNamed ? concat(" and ", nodes.size() - kMostNamed, " more)") : ")";
    }
  }
  for (const std::string& other : others) out += concat(out.empty() ? "" : "; ", other);
  return others.empty() ? unsupported(std::move(out)) : invalid_argument(std::move(out));
}

// ---- Builder: one plan

class Builder {
 public:
  Builder(Program& program, Plan& plan, Problems& problems) : program_(program), plan_(plan), problems_(problems) {}

  // A node list with what its names mean: the graph itself, a function's body at one call, a frame's body.
  struct Scope {
    const Nodes* nodes = nullptr;
    const Function* function = nullptr;                          // null: a graph, whose inputs are "node:1"
    std::span<const Attr> attrs;                                 // of the call, for placeholders in the body
    std::map<std::string_view, std::pair<size_t, size_t>> args;  // where an argument's ports are, and how many
    std::vector<Port> arg_ports;
    std::map<std::pair<size_t, int32_t>, Port> fed;  // tensors that the caller gives, by node and output
    std::vector<int32_t> entry;                      // items that come before everything here
    std::string prefix;
    size_t depth = 0;
    const Frames* frames = nullptr;  // null: the graph has no loops of TensorFlow 1
    int32_t frame = 0;
    struct Lowered {
      bool done = false;
      std::vector<Port> outputs;
      const NodeInfo* info = nullptr;  // names the outputs
      int32_t item = -1;               // what to wait for; -1: nothing
      std::vector<int32_t> after;      // of an inlined call
    };
    std::vector<Lowered> lowered;
    // Of a frame's body.
    std::vector<size_t> merges;                          // nodes, in the order of feeds
    std::vector<size_t> constants;                       // Enter nodes
    std::map<size_t, Port> merge_ports, constant_ports;  // by node
  };

  Port add_feed();
  Status lower(Scope& scope, std::vector<size_t> wanted);
  Result<Port> port_of(Scope& scope, std::string_view text, size_t user);
  void fetch(Port port) { fetches_.push_back(port); }
  void target(const Scope& scope, size_t node);
  void targets(std::span<const int32_t> items) { targets_.insert(targets_.end(), items.begin(), items.end()); }
  Status emit();
  Status lower_function(const Function& function, std::span<const Attr> attrs, std::vector<Port> args, std::vector<int32_t> entry,
                        size_t depth, std::string prefix, std::vector<Port>& results, std::vector<int32_t>& after);

 private:
  Status lower_node(Scope& scope, size_t index);
  Status lower_call(Scope& scope, size_t index, const Node& node, std::unique_ptr<NodeInfo> info, std::vector<Port> inputs,
                    std::vector<int32_t> controls, const FunctionCall& call, const Function& function);
  Status lower_frame(Scope& scope, int32_t frame);
  static Result<std::vector<Attr>> resolved(const Scope& scope, std::span<const Attr> attrs);
  Result<std::unique_ptr<NodeInfo>> info_of(const Scope& scope, const Node& node, const Function** callee, std::vector<Attr>& own);
  std::vector<int32_t> controls_of(const Scope& scope, size_t index) const;
  void finish_item(Item item, Scope::Lowered& lowered, const ops::Op* op);
  bool is_constant(Port port) const { return !items_[static_cast<size_t>(port.item)].folded.empty(); }
  const Value& constant(Port port) const { return items_[static_cast<size_t>(port.item)].folded[static_cast<size_t>(port.output)]; }
  void problem(const Scope& scope, const Node& node, const Status& status) {
    problems_.others.push_back(concat("node ", quoted(scope.prefix + std::string(node.name)), " (", node.op, "): ", status.message()));
  }
  void fold(Item& item);
  bool is_ref(Port port) const;

  Program& program_;
  Plan& plan_;
  Problems& problems_;
  std::vector<Item> items_;
  std::vector<int32_t> feeds_;
  std::vector<Port> fetches_;
  std::vector<int32_t> targets_;
  std::vector<std::unique_ptr<NodeInfo>> infos_;  // of calls that are inlined: names of their outputs
};

Port Builder::add_feed() {
  Item item;
  item.is_feed = true;
  item.num_outputs = 1;
  feeds_.push_back(static_cast<int32_t>(items_.size()));
  items_.push_back(std::move(item));
  return {feeds_.back(), 0};
}

bool Builder::is_ref(Port port) const {
  const Item& item = items_[static_cast<size_t>(port.item)];
  return item.info != nullptr && static_cast<size_t>(port.output) < item.info->output_dtypes().size() &&
         item.info->output_is_ref(static_cast<size_t>(port.output));
}

// What an input's text means here. The node has been lowered.
Result<Port> Builder::port_of(Scope& scope, std::string_view text, size_t user) {
  FERRY_ASSIGN_OR_RETURN(const InputRef ref, parse_input(text));
  const auto missing = [&] {
    const std::string_view name = user < scope.nodes->size() ? (*scope.nodes)[user].name : "a result";
    return invalid_argument(concat("node ", quoted(name), " reads ", quoted(text), ", which is not there"));
  };
  if (scope.function != nullptr) {
    if (const auto arg = scope.args.find(ref.node); arg != scope.args.end()) {
      if (ref.index < 0 || static_cast<size_t>(ref.index) >= arg->second.second) return missing();
      return scope.arg_ports[arg->second.first + static_cast<size_t>(ref.index)];
    }
  }
  const auto index = scope.nodes->find(ref.node);
  if (!index) return missing();
  const auto fed = scope.fed.find({*index, ref.index});
  if (fed != scope.fed.end()) return fed->second;
  if (scope.frames != nullptr) {
    if (const auto merge = scope.merge_ports.find(*index); merge != scope.merge_ports.end() && ref.index == 0) return merge->second;
    if (const auto enter = scope.constant_ports.find(*index); enter != scope.constant_ports.end() && ref.index == 0) return enter->second;
  }
  const Scope::Lowered& lowered = scope.lowered[*index];
  size_t output = static_cast<size_t>(std::max(ref.index, 0));
  if (scope.function != nullptr && lowered.info != nullptr && !ref.output.empty()) {
    const auto& args = lowered.info->spec().outputs;
    if (std::ranges::find(args, ref.output, &ops::ArgSpec::name) == args.end()) return missing();
    const ops::ArgRange range = lowered.info->output(ref.output);
    if (output >= range.count) return missing();
    output += range.begin;
  }
  if (output >= lowered.outputs.size()) return missing();
  return lowered.outputs[output];
}

// The items that a node's control inputs, and the entry of its scope, wait for.
std::vector<int32_t> Builder::controls_of(const Scope& scope, size_t index) const {
  std::vector<int32_t> out;
  const Node& node = (*scope.nodes)[index];
  const auto add = [&](int32_t item) {
    if (item >= 0 && items_[static_cast<size_t>(item)].folded.empty() && std::ranges::find(out, item) == out.end()) out.push_back(item);
  };
  bool any_data = false;
  for (std::string_view input : node.inputs) {
    if (!input.starts_with('^')) {
      any_data = true;
      continue;
    }
    const std::string_view name = input.substr(1);
    if (const auto arg = scope.args.find(name); scope.function != nullptr && arg != scope.args.end()) continue;
    if (const auto at = scope.nodes->find(name)) {
      if (const auto merge = scope.merge_ports.find(*at); merge != scope.merge_ports.end()) continue;
      add(scope.lowered[*at].item);
      for (int32_t item : scope.lowered[*at].after) add(item);
    }
  }
  if (!any_data || out.empty()) {
    for (int32_t item : scope.entry) add(item);
  }
  return out;
}

// Attributes with what the call gives for those that stand for one of its own.
Result<std::vector<Attr>> Builder::resolved(const Scope& scope, std::span<const Attr> attrs) {
  std::vector<Attr> out;
  for (const Attr& attr : attrs) {
    if (attr.value.kind() != AttrKind::placeholder) {
      out.push_back(attr);
      continue;
    }
    FERRY_ASSIGN_OR_RETURN(const std::string_view name, attr.value.placeholder());
    const auto it = std::ranges::find(scope.attrs, name, &Attr::name);
    if (it == scope.attrs.end()) {
      return invalid_argument(concat("the attribute ", attr.name, " stands for ", quoted(name), ", which the call does not give"));
    }
    out.push_back({attr.name, it->value});
  }
  return out;
}

Result<std::unique_ptr<NodeInfo>> Builder::info_of(const Scope& scope, const Node& node, const Function** callee, std::vector<Attr>& own) {
  *callee = nullptr;
  FERRY_ASSIGN_OR_RETURN(own, resolved(scope, node.attrs));
  auto spec = ops::find_op_spec(node.op);
  if (!spec) {
    // A function called by its name.
    if (const Function* function = program_.body(node.op, problems_)) {
      *callee = function;
      spec.emplace();
      spec->name = node.op;
      const auto arg_of = [](const ArgDef& arg) {
        ops::ArgSpec out{.name = arg.name, .type_attr = arg.type_attr, .number_attr = arg.number_attr, .list_attr = arg.type_list_attr};
        if (arg.type_number != 0) out.dtype = dtype_of_number(arg.type_number).ok() ? *dtype_of_number(arg.type_number) : DType::float32;
        return out;
      };
      for (const ArgDef& arg : function->signature().inputs) spec->inputs.push_back(arg_of(arg));
      for (const ArgDef& arg : function->signature().outputs) spec->outputs.push_back(arg_of(arg));
    } else {
      return std::unique_ptr<NodeInfo>();
    }
  }
  FERRY_ASSIGN_OR_RETURN(NodeInfo info,
                         NodeInfo::make(scope.prefix + std::string(node.name), *std::move(spec), own, program_.state(), program_.limits()));
  return std::make_unique<NodeInfo>(std::move(info));
}

// Lowers the wanted nodes and all that they need, each after what it reads.
Status Builder::lower(Scope& scope, std::vector<size_t> wanted) {
  scope.lowered.resize(scope.nodes->size());
  struct Visit {
    size_t node;
    size_t next_input = 0;
  };
  std::vector<Visit> stack;
  std::vector<bool> open(scope.nodes->size());
  for (size_t first : wanted) {
    stack.push_back({first});
    while (!stack.empty()) {
      Visit& visit = stack.back();
      const size_t index = visit.node;
      if (scope.lowered[index].done) {
        stack.pop_back();
        continue;
      }
      const Node& node = (*scope.nodes)[index];
      if (visit.next_input == 0) open[index] = true;
      // An exit stands for its whole frame, whose own nodes are lowered within it.
      const bool exit = scope.frames != nullptr && scope.frames->is_exit(index) && scope.frames->inner_of(index) != scope.frame;
      std::span<const std::string_view> inputs = node.inputs;
      std::span<const size_t> outer;
      if (exit) {
        inputs = {};
        outer = scope.frames->outer_inputs(scope.frames->inner_of(index));
      }
      bool pushed = false;
      const size_t count = exit ? outer.size() : inputs.size();
      while (visit.next_input < count) {
        const size_t at = visit.next_input++;
        size_t before;
        if (exit) {
          before = outer[at];
        } else {
          FERRY_ASSIGN_OR_RETURN(const InputRef ref, parse_input(inputs[at]));
          if (scope.function != nullptr && scope.args.contains(ref.node)) continue;
          const auto found = scope.nodes->find(ref.node);
          if (!found) {
            problem(scope, node, invalid_argument(concat("its input ", quoted(inputs[at]), " is not there")));
            continue;
          }
          before = *found;
          if (!ref.control && scope.fed.contains({before, ref.index})) continue;
          if (scope.frames != nullptr && scope.frame != 0) {
            // Loop variables and loop constants are given to the body.
            if (scope.frames->is_loop_merge(before) && scope.frames->frame_of(before) == scope.frame) {
              if (!scope.merge_ports.contains(before)) {
                scope.merge_ports[before] = add_feed();
                scope.merges.push_back(before);
              }
              continue;
            }
            if (scope.frames->is_enter(before) && scope.frames->frame_of(before) == scope.frame) {
              if (!scope.constant_ports.contains(before)) {
                scope.constant_ports[before] = add_feed();
                scope.constants.push_back(before);
              }
              continue;
            }
          }
        }
        if (scope.lowered[before].done) continue;
        if (open[before]) {
          return invalid_argument(concat("the graph goes round in a circle through node ", quoted((*scope.nodes)[before].name)));
        }
        stack.push_back({before});
        pushed = true;
        break;
      }
      if (pushed) continue;
      if (exit) {
        FERRY_RETURN_IF_ERROR(lower_frame(scope, scope.frames->inner_of(index)));
      } else {
        FERRY_RETURN_IF_ERROR(lower_node(scope, index));
      }
      scope.lowered[index].done = true;
      open[index] = false;
      stack.pop_back();
    }
  }
  return {};
}

Status Builder::lower_node(Scope& scope, size_t index) {
  const Node& node = (*scope.nodes)[index];
  Scope::Lowered& lowered = scope.lowered[index];
  const Function* callee = nullptr;
  std::vector<Attr> own;
  auto made = info_of(scope, node, &callee, own);
  std::vector<Port> inputs;
  for (std::string_view input : node.inputs) {
    if (input.starts_with('^')) continue;
    auto port = port_of(scope, input, index);
    if (!port.ok()) {
      // A node that already is a problem has no outputs; that is said once.
      if (problems_.empty()) problem(scope, node, port.status());
      return {};
    }
    inputs.push_back(*port);
  }
  if (!made.ok()) {
    problem(scope, node, made.status());
    return {};
  }
  std::unique_ptr<NodeInfo> info = *std::move(made);
  if (info == nullptr) {
    problems_.unknown_ops[std::string(node.op)].push_back(scope.prefix + std::string(node.name));
    return {};
  }
  if (inputs.size() != info->input_dtypes().size()) {
    problem(scope, node, invalid_argument(concat("it has ", inputs.size(), " inputs, its op takes ", info->input_dtypes().size())));
    return {};
  }
  std::vector<int32_t> controls = controls_of(scope, index);
  lowered.info = info.get();

  const bool inlines = scope.depth < kMostInlined;
  if (is_call(node.op) && inlines) {
    const AttrValue* const f = info->own("f");
    auto call = f == nullptr ? Result<FunctionCall>(invalid_argument("the attribute f is missing")) : f->func();
    if (!call.ok()) {
      problem(scope, node, call.status());
      return {};
    }
    const Function* const function = program_.body(call->name, problems_);
    if (function == nullptr) {
      problem(scope, node, invalid_argument(concat("the function ", quoted(call->name), " is not in the library")));
      return {};
    }
    return lower_call(scope, index, node, std::move(info), std::move(inputs), std::move(controls), *call, *function);
  }
  if (callee != nullptr && inlines) {
    const FunctionCall call{node.op, own};
    return lower_call(scope, index, node, std::move(info), std::move(inputs), std::move(controls), call, *callee);
  }

  Item item;
  item.num_outputs = info->output_dtypes().size();
  item.inputs = std::move(inputs);
  item.controls = std::move(controls);
  item.is_merge = node.op == "Merge" || node.op == "RefMerge";
  const auto dies = [&](int32_t i) { return items_[static_cast<size_t>(i)].may_be_dead; };
  item.may_be_dead = node.op == "Switch" || node.op == "RefSwitch" || node.op == "_SwitchN" ||
                     std::ranges::any_of(item.inputs, [&](Port port) { return dies(port.item); }) ||
                     std::ranges::any_of(item.controls, dies);

  // What only hands on its input, and waits for nothing else, is its input. (In a branch it may be what others wait for.)
  if (is_alias(node.op) && item.controls.empty() && !item.may_be_dead &&
      std::ranges::none_of(item.inputs, [&](Port port) { return is_ref(port); })) {
    lowered.outputs = item.inputs;
    lowered.item = item.inputs.empty() ? -1 : item.inputs.front().item;
    infos_.push_back(std::move(info));
    return {};
  }

  const ops::Op* op = nullptr;
  if (node.op == "Const") {
    const AttrValue* const value = info->own("value");
    auto tensor = value == nullptr ? Result<DenseTensor>(invalid_argument("the attribute value is missing"))
                                   : value->constant(&program_.graph().bytes(), program_.limits());
    if (!tensor.ok()) {
      problem(scope, node, tensor.status());
      return {};
    }
    item.info = std::move(info);
    if (!item.may_be_dead) {
      item.folded.emplace_back(*std::move(tensor));
    } else {
      item.kernel = ops::make_constant_kernel(*std::move(tensor));
    }
    finish_item(std::move(item), lowered, nullptr);
    return {};
  }
  auto kernel = callee != nullptr ? Result<ops::KernelRef>(ops::KernelRef()) : make_control_kernel(*info, program_, problems_);
  if (callee != nullptr) {
    const FunctionPlan* const plan = program_.function(FunctionCall{node.op, own}, problems_);
    if (plan != nullptr) kernel = make_call_kernel(plan);
  }
  if (kernel.ok() && *kernel == nullptr) {
    op = ops::find_op(node.op);
    if (op == nullptr) {
      problems_.unknown_ops[std::string(node.op)].push_back(info->name().empty() ? std::string(node.name) : std::string(info->name()));
    } else {
      kernel = op->make(*info);
      if (kernel.ok() && !info->status().ok()) kernel = info->status();
    }
  }
  if (!kernel.ok()) {
    problem(scope, node, kernel.status());
  } else {
    item.kernel = *std::move(kernel);
  }
  item.info = std::move(info);
  finish_item(std::move(item), lowered, op);
  return {};
}

void Builder::finish_item(Item item, Scope::Lowered& lowered, const ops::Op* op) {
  if (op != nullptr && op->pure && item.kernel != nullptr && !item.may_be_dead && item.controls.empty() && item.num_outputs > 0 &&
      std::ranges::all_of(item.inputs, [&](Port port) { return is_constant(port); })) {
    fold(item);
  }
  lowered.item = static_cast<int32_t>(items_.size());
  for (size_t i = 0; i < item.num_outputs; ++i) lowered.outputs.push_back({lowered.item, static_cast<int32_t>(i)});
  items_.push_back(std::move(item));
}

// Works the item out now. What fails, or grows large, waits for the run, where it may never be needed.
void Builder::fold(Item& item) {
  std::vector<const Value*> inputs;
  uint64_t given = 0;
  for (Port port : item.inputs) {
    inputs.push_back(&constant(port));
    given += bytes_of(std::span(inputs.back(), 1));
  }
  std::vector<Value> outputs(item.num_outputs);
  std::vector<ops::Home> homes(item.num_outputs);
  ops::Run run;
  run.limits = program_.limits();
  run.limits.max_tensor_bytes = std::min<uint64_t>(run.limits.max_tensor_bytes, std::max<uint64_t>(given, kMostFolded));
  ops::Call call(run, *item.info, inputs, outputs, homes);
  if (!item.kernel->run(call).ok()) return;
  if (std::ranges::any_of(outputs, [](const Value& value) { return !value.is_tensor(); })) return;
  item.folded = std::move(outputs);
}

Status Builder::lower_call(Scope& scope, size_t index, const Node& node, std::unique_ptr<NodeInfo> info, std::vector<Port> inputs,
                           std::vector<int32_t> controls, const FunctionCall& call, const Function& function) {
  std::vector<Port> results;
  std::vector<int32_t> after;
  FERRY_ASSIGN_OR_RETURN(const std::vector<Attr> attrs, resolved(scope, call.attrs));
  FERRY_RETURN_IF_ERROR(lower_function(function, attrs, std::move(inputs), std::move(controls), scope.depth + 1,
                                       concat(scope.prefix, node.name, "/"), results, after));
  Scope::Lowered& lowered = scope.lowered[index];
  if (results.size() != info->output_dtypes().size() && problems_.empty()) {
    problem(scope, node, invalid_argument(concat("it has ", info->output_dtypes().size(), " outputs, the function ", results.size())));
  }
  lowered.outputs = std::move(results);
  lowered.after = std::move(after);
  for (Port port : lowered.outputs) lowered.after.push_back(port.item);
  infos_.push_back(std::move(info));
  lowered.info = infos_.back().get();
  return {};
}

Status Builder::lower_function(const Function& function, std::span<const Attr> attrs, std::vector<Port> args, std::vector<int32_t> entry,
                               size_t depth, std::string prefix, std::vector<Port>& results, std::vector<int32_t>& after) {
  Scope scope;
  scope.nodes = &function.nodes();
  scope.function = &function;
  scope.attrs = attrs;
  scope.entry = std::move(entry);
  scope.prefix = std::move(prefix);
  scope.depth = depth;
  scope.arg_ports = std::move(args);
  const auto call_attr = [&](std::string_view name) -> const AttrValue* {
    const auto it = std::ranges::find(attrs, name, &Attr::name);
    return it == attrs.end() ? nullptr : &it->value;
  };
  // How many tensors an argument is.
  const auto count_of = [&](const ArgDef& arg) -> Result<size_t> {
    const std::string_view counted = !arg.number_attr.empty() ? arg.number_attr : arg.type_list_attr;
    if (counted.empty()) return size_t{1};
    const AttrValue* const value = call_attr(counted);
    if (value == nullptr) return invalid_argument(concat("the call of ", quoted(function.name()), " does not say ", counted));
    if (!arg.number_attr.empty()) {
      FERRY_ASSIGN_OR_RETURN(const int64_t count, value->integer());
      if (count < 0) return invalid_argument(concat(counted, " is ", count));
      return static_cast<size_t>(count);
    }
    return value->list_size();
  };
  size_t at = 0;
  for (const ArgDef& arg : function.signature().inputs) {
    FERRY_ASSIGN_OR_RETURN(const size_t count, count_of(arg));
    scope.args[arg.name] = {at, count};
    at += count;
  }
  if (at != scope.arg_ports.size()) {
    problems_.others.push_back(
        concat("the function ", quoted(function.name()), " takes ", at, " arguments, ", scope.arg_ports.size(), " are given"));
    return {};
  }

  std::vector<std::pair<size_t, std::string_view>> wanted;
  std::vector<size_t> nodes;
  const auto want = [&](std::string_view tensor) -> Status {
    FERRY_ASSIGN_OR_RETURN(const InputRef ref, parse_input(tensor));
    if (scope.args.contains(ref.node)) return {};
    if (const auto found = scope.nodes->find(ref.node)) nodes.push_back(*found);
    return {};
  };
  // What is done before what is given back, as the program had it.
  for (const Function::Ret& ret : function.control_ret()) FERRY_RETURN_IF_ERROR(want(ret.tensor));
  const size_t num_controls = nodes.size();
  if (function.control_ret().empty()) {
    // Functions of TensorFlow 1 do not list what they do besides.
    for (size_t i = 0; i < scope.nodes->size(); ++i) {
      const auto spec = ops::find_op_spec((*scope.nodes)[i].op);
      if (spec && spec->stateful && !spec->inputs.empty()) nodes.push_back(i);
    }
  }
  const size_t num_effects = std::max(num_controls, nodes.size());
  for (const ArgDef& out : function.signature().outputs) {
    const auto ret = function.ret_of(out.name);
    if (!ret) {
      problems_.others.push_back(concat("the function ", quoted(function.name()), " does not say what ", quoted(out.name), " is"));
      return {};
    }
    FERRY_RETURN_IF_ERROR(want(*ret));
  }
  FERRY_RETURN_IF_ERROR(lower(scope, nodes));
  for (size_t i = 0; i < num_effects; ++i) {
    const Scope::Lowered& lowered = scope.lowered[nodes[i]];
    if (lowered.item >= 0) after.push_back(lowered.item);
    after.insert(after.end(), lowered.after.begin(), lowered.after.end());
  }
  for (const ArgDef& out : function.signature().outputs) {
    FERRY_ASSIGN_OR_RETURN(const size_t count, count_of(out));
    const std::string_view ret = *function.ret_of(out.name);
    const auto add = [&](const std::string& text) {
      auto port = port_of(scope, text, SIZE_MAX);
      if (port.ok()) {
        results.push_back(*port);
      } else if (problems_.empty()) {
        problems_.others.push_back(concat("function ", quoted(function.name()), ": ", port.status().message()));
      }
    };
    if (count == 1) {
      add(std::string(ret));
    } else {
      for (size_t i = 0; i < count; ++i) add(concat(ret, ":", i));
    }
  }
  return {};
}

// A frame of while_loop: the part of the graph between its Enters and its Exits, as a plan of its own.
Status Builder::lower_frame(Scope& scope, int32_t frame) {
  const Frames& frames = *scope.frames;
  auto plan = std::make_unique<Plan>();
  Builder body(program_, *plan, problems_);
  Scope inner;
  inner.nodes = scope.nodes;
  inner.function = scope.function;
  inner.attrs = scope.attrs;
  inner.prefix = scope.prefix;
  inner.depth = scope.depth;
  inner.frames = scope.frames;
  inner.frame = frame;
  inner.args = scope.args;
  // Every node that reads the exits reads the same run of the loop.
  const std::span<const size_t> exits = frames.exits_of(frame);
  std::vector<size_t> wanted;
  const auto source_of = [&](size_t node) -> Result<std::string_view> {
    for (std::string_view input : (*scope.nodes)[node].inputs) {
      if (!input.starts_with('^')) return input;
    }
    return invalid_argument(concat("node ", quoted((*scope.nodes)[node].name), " has no input"));
  };
  const auto want_source = [&](size_t node) -> Status {
    FERRY_ASSIGN_OR_RETURN(const std::string_view text, source_of(node));
    FERRY_ASSIGN_OR_RETURN(const InputRef ref, parse_input(text));
    const auto found = scope.nodes->find(ref.node);
    if (!found)
      return invalid_argument(concat("node ", quoted((*scope.nodes)[node].name), " reads ", quoted(text), ", which is not there"));
    if (frames.is_loop_merge(*found) && frames.frame_of(*found) == frame && !inner.merge_ports.contains(*found)) {
      inner.merge_ports[*found] = body.add_feed();
      inner.merges.push_back(*found);
    } else if (!inner.merge_ports.contains(*found)) {
      wanted.push_back(*found);
    }
    return {};
  };
  for (size_t exit : exits) FERRY_RETURN_IF_ERROR(want_source(exit));
  FERRY_RETURN_IF_ERROR(body.lower(inner, wanted));
  // The next value of each variable may need more variables.
  for (size_t i = 0; i < inner.merges.size(); ++i) {
    wanted.clear();
    const auto next = frames.next_of(inner.merges[i]);
    if (!next) continue;
    FERRY_RETURN_IF_ERROR(want_source(*next));
    FERRY_RETURN_IF_ERROR(body.lower(inner, wanted));
  }
  const auto fetch_source = [&](size_t node) -> Status {
    FERRY_ASSIGN_OR_RETURN(const std::string_view text, source_of(node));
    auto port = body.port_of(inner, text, node);
    if (!port.ok()) {
      if (problems_.empty()) problem(scope, (*scope.nodes)[node], port.status());
      return {};
    }
    body.fetch(*port);
    return {};
  };
  for (size_t merge : inner.merges) {
    const auto next = frames.next_of(merge);
    if (!next) return invalid_argument(concat("the loop variable ", quoted((*scope.nodes)[merge].name), " has no NextIteration"));
    FERRY_RETURN_IF_ERROR(fetch_source(*next));
  }
  for (size_t exit : exits) FERRY_RETURN_IF_ERROR(fetch_source(exit));
  // Feeds were made as they turned up; the kernel gives variables first.
  body.feeds_.clear();
  for (size_t merge : inner.merges) body.feeds_.push_back(inner.merge_ports[merge].item);
  for (size_t enter : inner.constants) body.feeds_.push_back(inner.constant_ports[enter].item);
  if (!problems_.empty()) return {};
  FERRY_RETURN_IF_ERROR(body.emit());

  Item item;
  item.num_outputs = exits.size();
  const auto give = [&](size_t enter) -> Status {
    FERRY_ASSIGN_OR_RETURN(const std::string_view text, source_of(enter));
    FERRY_ASSIGN_OR_RETURN(const Port port, port_of(scope, text, enter));
    item.inputs.push_back(port);
    for (int32_t control : controls_of(scope, enter)) item.controls.push_back(control);
    return {};
  };
  for (size_t merge : inner.merges) {
    const auto enter = frames.enter_of(merge);
    if (!enter) return invalid_argument(concat("the loop variable ", quoted((*scope.nodes)[merge].name), " has no Enter"));
    FERRY_RETURN_IF_ERROR(give(*enter));
  }
  for (size_t enter : inner.constants) FERRY_RETURN_IF_ERROR(give(enter));
  ops::OpSpec spec{.name = "while_loop", .inputs = {}, .outputs = {}, .attrs = {}, .stateful = false};
  FERRY_ASSIGN_OR_RETURN(NodeInfo info, NodeInfo::make(concat(scope.prefix, frames.name(frame)), std::move(spec), {}, nullptr));
  item.info = std::make_unique<NodeInfo>(std::move(info));
  const auto dies = [&](Port port) { return items_[static_cast<size_t>(port.item)].may_be_dead; };
  item.may_be_dead = std::ranges::any_of(item.inputs, dies) ||
                     std::ranges::any_of(item.controls, [&](int32_t i) { return items_[static_cast<size_t>(i)].may_be_dead; });
  item.kernel = make_frame_kernel(std::move(plan), inner.merges.size(), inner.constants.size(), exits.size());
  const auto number = static_cast<int32_t>(items_.size());
  items_.push_back(std::move(item));
  for (size_t i = 0; i < exits.size(); ++i) {
    Scope::Lowered& lowered = scope.lowered[exits[i]];
    lowered.done = true;
    lowered.item = number;
    lowered.outputs = {{number, static_cast<int32_t>(i)}};
  }
  return {};
}

void Builder::target(const Scope& scope, size_t node) {
  const Scope::Lowered& lowered = scope.lowered[node];
  if (lowered.item >= 0) targets_.push_back(lowered.item);
  targets_.insert(targets_.end(), lowered.after.begin(), lowered.after.end());
}

// Items that are needed become steps.
Status Builder::emit() {
  std::vector<int32_t> todo;
  const auto need = [&](int32_t item) {
    if (item < 0 || items_[static_cast<size_t>(item)].live) return;
    items_[static_cast<size_t>(item)].live = true;
    todo.push_back(item);
  };
  for (Port port : fetches_) need(port.item);
  for (int32_t item : targets_) need(item);
  while (!todo.empty()) {
    const Item& item = items_[static_cast<size_t>(todo.back())];
    todo.pop_back();
    if (!item.folded.empty()) continue;
    for (Port port : item.inputs) need(port.item);
    for (int32_t control : item.controls) need(control);
  }

  plan_.num_feeds_ = feeds_.size();
  uint32_t slots = 0;
  for (int32_t feed : feeds_) items_[static_cast<size_t>(feed)].slot = slots++;
  for (const Item& item : items_) {
    if (!item.live || item.folded.size() > 0 || !item.may_be_dead) continue;
    for (int32_t control : item.controls) {
      if (items_[static_cast<size_t>(control)].may_be_dead) items_[static_cast<size_t>(control)].is_guard = true;
    }
  }
  std::unordered_map<uint64_t, uint32_t> constants;
  const auto source_of = [&](Port port) {
    const Item& item = items_[static_cast<size_t>(port.item)];
    if (item.folded.empty()) return Source::slot(item.slot + static_cast<uint32_t>(port.output));
    const uint64_t key = static_cast<uint64_t>(port.item) << 32 | static_cast<uint32_t>(port.output);
    const auto [it, fresh] = constants.emplace(key, static_cast<uint32_t>(plan_.constants_.size()));
    if (fresh) plan_.constants_.push_back(constant(port));
    return Source::constant(it->second);
  };
  for (Item& item : items_) {
    if (!item.live || item.is_feed || !item.folded.empty()) continue;
    Step step;
    step.kernel = item.kernel.get();
    step.node = item.info.get();
    step.may_be_dead = item.may_be_dead;
    step.is_merge = item.is_merge;
    step.inputs = static_cast<uint32_t>(plan_.sources_.size());
    step.num_inputs = static_cast<uint32_t>(item.inputs.size());
    for (size_t i = 0; i < item.inputs.size(); ++i) {
      plan_.sources_.push_back(source_of(item.inputs[i]));
      if (is_ref(item.inputs[i]) && i < item.info->input_dtypes().size() && !item.info->input_is_ref(i)) step.reads_references = true;
    }
    step.guards = static_cast<uint32_t>(plan_.guards_.size());
    if (item.may_be_dead) {
      for (int32_t control : item.controls) {
        const Item& before = items_[static_cast<size_t>(control)];
        if (before.may_be_dead && before.folded.empty()) plan_.guards_.push_back(before.slot);
      }
    }
    step.num_guards = static_cast<uint32_t>(plan_.guards_.size()) - step.guards;
    item.slot = slots;
    step.outputs = slots;
    // A guard without outputs has a place that says whether it lived.
    step.num_outputs = static_cast<uint32_t>(std::max<size_t>(item.num_outputs, item.is_guard ? 1 : 0));
    slots += step.num_outputs;
    plan_.steps_.push_back(step);
  }
  for (Item& item : items_) {
    if (!item.live || item.is_feed || !item.folded.empty()) continue;
    plan_.nodes_.push_back(std::move(item.info));
    plan_.kernels_.push_back(std::move(item.kernel));
  }
  plan_.num_slots_ = slots;
  for (Port port : fetches_) plan_.fetches_.push_back(source_of(port));

  // Who reads a slot last frees it. Feeds, fetches and guards stay to the end of the run.
  constexpr uint32_t kNever = UINT32_MAX;
  std::vector<uint32_t> last(slots, kNever);
  for (uint32_t i = 0; i < plan_.steps_.size(); ++i) {
    const Step& step = plan_.steps_[i];
    for (uint32_t k = 0; k < step.num_outputs; ++k) last[step.outputs + k] = i;
    for (uint32_t k = 0; k < step.num_inputs; ++k) {
      const Source source = plan_.sources_[step.inputs + k];
      if (!source.is_constant()) last[source.index()] = i;
    }
  }
  for (const Source source : plan_.fetches_) {
    if (!source.is_constant()) last[source.index()] = kNever;
  }
  for (uint32_t guard : plan_.guards_) last[guard] = kNever;
  std::vector<std::vector<uint32_t>> freed(plan_.steps_.size());
  for (uint32_t slot = 0; slot < slots; ++slot) {
    if (last[slot] != kNever) freed[last[slot]].push_back(slot);
  }
  for (size_t i = 0; i < freed.size(); ++i) {
    plan_.steps_[i].frees = static_cast<uint32_t>(plan_.frees_.size());
    plan_.steps_[i].num_frees = static_cast<uint32_t>(freed[i].size());
    plan_.frees_.insert(plan_.frees_.end(), freed[i].begin(), freed[i].end());
  }
  return {};
}

// ---- Program

const Function* Program::body(std::string_view name, Problems& problems) {
  if (const auto it = bodies_.find(name); it != bodies_.end()) return it->second.get();
  if (!graph_.functions().find(name)) return nullptr;
  auto read = graph_.functions().read(name);
  std::unique_ptr<Function> out;
  if (read.ok()) {
    out = std::make_unique<Function>(*std::move(read));
  } else {
    problems.others.push_back(concat("function ", quoted(name), ": ", read.status().message()));
  }
  return bodies_.emplace(name, std::move(out)).first->second.get();
}

const FunctionPlan* Program::function(const FunctionCall& call, Problems& problems) {
  std::string key(call.name);
  for (const Attr& attr : call.attrs) {
    key += concat("\n", attr.name, "=");
    const auto bytes = attr.value.message();
    key.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  if (const auto it = plans_.find(key); it != plans_.end()) return it->second.get();
  const Function* const function = body(call.name, problems);
  if (function == nullptr) return nullptr;
  // In its place before it is built: it may call itself.
  FunctionPlan* const out = plans_.emplace(key, std::make_unique<FunctionPlan>()).first->second.get();
  out->name = call.name;
  Builder builder(*this, out->plan, problems);
  std::vector<Port> args, results;
  std::vector<int32_t> after;
  size_t count = 0;
  for (const ArgDef& arg : function->signature().inputs) {
    const std::string_view counted = !arg.number_attr.empty() ? arg.number_attr : arg.type_list_attr;
    const auto it = std::ranges::find(call.attrs, counted, &Attr::name);
    if (counted.empty() || it == call.attrs.end()) {
      ++count;
    } else if (!arg.type_list_attr.empty()) {
      count += it->value.list_size();
    } else {
      const auto n = it->value.integer();
      count += n.ok() ? static_cast<size_t>(std::clamp<int64_t>(*n, 0, 1 << 20)) : 0;
    }
  }
  for (size_t i = 0; i < count; ++i) args.push_back(builder.add_feed());
  const Status status = builder.lower_function(*function, call.attrs, std::move(args), {}, 1, concat(call.name, "/"), results, after);
  if (!status.ok()) problems.others.push_back(concat("function ", quoted(call.name), ": ", status.message()));
  for (Port port : results) builder.fetch(port);
  builder.targets(after);
  if (problems.empty()) {
    if (const Status emitted = builder.emit(); !emitted.ok()) problems.others.emplace_back(emitted.message());
    out->ready = true;
  }
  return out;
}

Result<std::unique_ptr<Plan>> Program::build(std::span<const std::string> feeds, std::span<const std::string> fetches,
                                             std::span<const std::string> targets) {
  auto plan = std::make_unique<Plan>();
  Problems problems;
  Builder builder(*this, *plan, problems);
  Builder::Scope scope;
  scope.nodes = &graph_.nodes();
  const auto find = [&](std::string_view text, std::string_view what) -> Result<std::pair<size_t, int32_t>> {
    FERRY_ASSIGN_OR_RETURN(const InputRef ref, parse_input(text));
    const auto found = scope.nodes->find(ref.node);
    if (!found) return not_found(concat("the graph has no node ", quoted(ref.node), " to ", what));
    return std::pair(*found, ref.index);
  };
  for (const std::string& feed : feeds) {
    FERRY_ASSIGN_OR_RETURN(const auto at, find(feed, "feed"));
    const Port port = builder.add_feed();
    if (!scope.fed.emplace(at, port).second) return invalid_argument(concat("the tensor ", quoted(feed), " is fed twice"));
  }
  std::vector<size_t> wanted;
  for (const std::string& target : targets) {
    FERRY_ASSIGN_OR_RETURN(const auto at, find(target, "run"));
    wanted.push_back(at.first);
  }
  for (const std::string& fetch : fetches) {
    FERRY_ASSIGN_OR_RETURN(const auto at, find(fetch, "fetch"));
    if (!scope.fed.contains(at)) wanted.push_back(at.first);
  }
  std::optional<Frames> frames;
  if (Frames::has_loops(*scope.nodes)) {
    auto found = Frames::find(*scope.nodes, wanted);
    if (!found.ok()) return found.status();
    frames = *std::move(found);
    scope.frames = &*frames;
  }
  FERRY_RETURN_IF_ERROR(builder.lower(scope, wanted));
  for (const std::string& fetch : fetches) {
    auto port = builder.port_of(scope, fetch, SIZE_MAX);
    if (port.ok()) {
      builder.fetch(*port);
    } else if (problems.empty()) {
      return port.status();
    }
  }
  for (size_t i = 0; i < targets.size(); ++i) builder.target(scope, wanted[i]);
  FERRY_RETURN_IF_ERROR(problems.status());
  FERRY_RETURN_IF_ERROR(builder.emit());
  return plan;
}

}  // namespace ferry::engine
