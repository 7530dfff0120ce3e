#include "engine/builder.h"

#include <algorithm>

namespace ferry::engine {

using ops::NodeInfo;
using ops::Value;

Status Builder::lower_call(Scope& scope, size_t index, const Node& node, std::unique_ptr<NodeInfo> info, std::vector<ItemOutput> inputs,
                           std::vector<int32_t> controls, const FunctionCall& call, const Function& function) {
  std::vector<ItemOutput> results;
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
  for (ItemOutput port : lowered.outputs) lowered.after.push_back(port.item);
  infos_.push_back(std::move(info));
  lowered.info = infos_.back().get();
  return {};
}

Status Builder::lower_function(const Function& function, std::span<const Attr> attrs, std::vector<ItemOutput> args,
                               std::vector<int32_t> entry, size_t depth, std::string prefix, std::vector<ItemOutput>& results,
                               std::vector<int32_t>& after) {
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

}  // namespace ferry::engine
