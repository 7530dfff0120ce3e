#include "engine/builder.h"

#include <algorithm>

#include "engine/control.h"

namespace ferry::engine {

using ops::NodeInfo;
using ops::Value;

namespace {

constexpr size_t kMostInlined = 64;          // calls within calls; deeper ones (recursion) stay calls
constexpr uint64_t kMostFolded = 16u << 20;  // bytes of one result worked out at load that its inputs did not have

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

ItemOutput Builder::add_feed() {
  Item item;
  item.is_feed = true;
  item.num_outputs = 1;
  feeds_.push_back(static_cast<int32_t>(items_.size()));
  items_.push_back(std::move(item));
  return {feeds_.back(), 0};
}

bool Builder::is_ref(ItemOutput port) const {
  const Item& item = items_[static_cast<size_t>(port.item)];
  return item.info != nullptr && static_cast<size_t>(port.output) < item.info->output_dtypes().size() &&
         item.info->output_is_ref(static_cast<size_t>(port.output));
}

// What an input's text means here. The node has been lowered.
Result<ItemOutput> Builder::port_of(Scope& scope, std::string_view text, size_t user) {
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
  std::vector<ItemOutput> inputs;
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
                     std::ranges::any_of(item.inputs, [&](ItemOutput port) { return dies(port.item); }) ||
                     std::ranges::any_of(item.controls, dies);

  // What only hands on its input, and waits for nothing else, is its input. (In a branch it may be what others wait for.)
  if (is_alias(node.op) && item.controls.empty() && !item.may_be_dead &&
      std::ranges::none_of(item.inputs, [&](ItemOutput port) { return is_ref(port); })) {
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
    const FunctionSchedule* const schedule = program_.function(FunctionCall{node.op, own}, problems_);
    if (schedule != nullptr) kernel = make_call_kernel(schedule);
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
      std::ranges::all_of(item.inputs, [&](ItemOutput port) { return is_constant(port); })) {
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
  for (ItemOutput port : item.inputs) {
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

}  // namespace ferry::engine
