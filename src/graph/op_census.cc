#include "ferry/op_census.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "ferry/signature.h"
#include "graph/parse.h"

namespace ferry {
namespace {

using namespace graph;

constexpr std::string_view kCoreOps = " "
#include "graph/core_ops.inc"
    ;

// A function's body with what its nodes call, read once.
struct Body {
  std::optional<Function> function;
  std::vector<bool> live;                  // reached from what it returns
  std::vector<std::vector<size_t>> calls;  // of each node: functions of the library
};

class Census {
 public:
  explicit Census(const MetaGraph& meta)
      : meta_(meta), graph_(meta.graph()), bodies_(graph_.functions().size()), read_(graph_.functions().size()) {}

  Result<OpCensus> run(std::span<const std::string> fetches) && {
    const uint64_t nodes = graph_.nodes().size() + graph_.functions().size();
    if (nodes * meta_.signatures().size() > (uint64_t{1} << 31))
      return limit_exceeded(concat(meta_.signatures().size(), " signatures of a graph of ", nodes, " nodes and functions"));
    FERRY_RETURN_IF_ERROR(count_all());
    for (const SignatureDef& def : meta_.signatures()) {
      if (def.key.starts_with("__saved_model_")) continue;
      std::vector<std::string_view> roots;
      for (const auto& [key, place] : def.outputs) gather(place, roots);
      FERRY_RETURN_IF_ERROR(walk(
          roots, {}, [&](OpUse& use) { add(use.signatures, def.key); }, true));
    }
    if (!fetches.empty()) {
      std::vector<std::string_view> roots(fetches.begin(), fetches.end());
      FERRY_RETURN_IF_ERROR(walk(
          roots, {}, [&](OpUse& use) { add(use.signatures, "fetches"); }, true));
    }
    const std::vector<std::string> init = init_ops(meta_);
    const std::vector<std::string_view> init_roots(init.begin(), init.end());
    FERRY_RETURN_IF_ERROR(walk(
        init_roots, initializers(), [](OpUse& use) { use.by_init = true; }, false));
    FERRY_RETURN_IF_ERROR(walk(
        {}, callables(), [](OpUse& use) { use.by_function = true; }, false));
    if (meta_.saver()) {
      const std::vector<std::string_view> roots{meta_.saver()->save_tensor, meta_.saver()->restore_op};
      FERRY_RETURN_IF_ERROR(walk(
          roots, {}, [](OpUse& use) { use.by_saver = true; }, false));
    }
    OpCensus out;
    for (auto& [name, use] : uses_) out.ops.push_back(std::move(use));
    out.missing.assign(missing_.begin(), missing_.end());
    out.functions = graph_.functions().size();
    out.reached_functions = static_cast<size_t>(std::ranges::count(reached_functions_, true));
    return out;
  }

 private:
  static void add(std::vector<std::string>& names, std::string_view name) {
    if (names.empty() || names.back() != name) names.emplace_back(name);
  }
  static void gather(const TensorPlace& place, std::vector<std::string_view>& roots) {
    for (const std::string_view name : {place.name, place.indices, place.values, place.dense_shape}) {
      if (!name.empty()) roots.push_back(name);
    }
    for (const TensorPlace& component : place.components) gather(component, roots);
  }

  OpUse& use_of(std::string_view op) {
    const auto it = uses_.find(op);
    if (it != uses_.end()) return it->second;
    OpUse use;
    use.op = std::string(op);
    use.core = is_core_op(op);
    return uses_.emplace(std::string(op), std::move(use)).first->second;
  }

  // The functions that a node's attributes (or its op) name.
  std::vector<size_t> calls_of(const Node& node) {
    std::vector<size_t> out;
    const auto call = [&](std::string_view name) {
      if (const auto i = graph_.functions().find(name)) {
        out.push_back(*i);
      } else if (!name.empty()) {
        missing_.insert(std::string(name));
      }
    };
    for (const Attr& attr : node.attrs) {
      const AttrKind kind = attr.value.kind();
      if (kind == AttrKind::func) {
        if (const auto function = attr.value.func(); function.ok()) call(function->name);
      } else if (kind == AttrKind::list && attr.value.list_kind() == AttrKind::func) {
        if (const auto functions = attr.value.funcs(); functions.ok()) {
          for (const FunctionCall& function : *functions) call(function.name);
        }
      }
    }
    if (const auto direct = graph_.functions().find(node.op)) out.push_back(*direct);
    return out;
  }

  static void spread(const Nodes& nodes, std::vector<size_t> queue, std::vector<bool>& live) {
    for (const size_t i : queue) live[i] = true;
    while (!queue.empty()) {
      const size_t at = queue.back();
      queue.pop_back();
      for (const std::string_view input : nodes[at].inputs) {
        const auto ref = parse_input(input);
        if (!ref.ok()) continue;
        const auto from = nodes.find(ref->node);
        if (!from || live[*from]) continue;
        live[*from] = true;
        queue.push_back(*from);
      }
    }
  }

  Status count_all() {
    const auto count = [&](const Node& node) { ++use_of(node.op).nodes; };
    for (const Node& node : graph_.nodes()) count(node);
    reached_functions_.assign(graph_.functions().size(), false);
    for (size_t i = 0; i < graph_.functions().size(); ++i) {
      FERRY_ASSIGN_OR_RETURN(const Body* body, read(i));
      for (const Node& node : body->function->nodes()) count(node);
    }
    node_counted_.assign(graph_.nodes().size(), false);
    return {};
  }

  Result<const Body*> read(size_t i) {
    Body& body = bodies_[i];
    if (read_[i]) return &body;
    FERRY_ASSIGN_OR_RETURN(Function function, graph_.functions().read(i));
    body.function = std::move(function);
    const Nodes& nodes = body.function->nodes();
    body.live.assign(nodes.size(), false);
    body.calls.resize(nodes.size());
    std::vector<size_t> roots;
    for (const auto& rets : {body.function->ret(), body.function->control_ret()}) {
      for (const Function::Ret& ret : rets) {
        const auto ref = parse_input(ret.tensor);
        if (!ref.ok()) continue;
        if (const auto node = nodes.find(ref->node)) roots.push_back(*node);
      }
    }
    // Before functions had control outputs, all that a stateful one does was run.
    if (body.function->control_ret().empty() && body.function->signature().is_stateful) {
      for (size_t k = 0; k < nodes.size(); ++k) roots.push_back(k);
    }
    spread(nodes, roots, body.live);
    for (size_t k = 0; k < nodes.size(); ++k) body.calls[k] = calls_of(nodes[k]);
    read_[i] = true;
    return &body;
  }

  // Marks every op that the tensors and functions need. `count`: as reached by a signature.
  template <class Mark>
  Status walk(const std::vector<std::string_view>& tensors, std::vector<size_t> functions, Mark&& mark, bool count) {
    std::vector<size_t> roots;
    for (std::string_view tensor : tensors) {
      if (tensor.starts_with('^')) tensor.remove_prefix(1);
      if (const auto node = graph_.nodes().find(tensor.substr(0, tensor.find(':')))) roots.push_back(*node);
    }
    std::vector<bool> live(graph_.nodes().size());
    spread(graph_.nodes(), roots, live);
    std::vector<bool> seen(bodies_.size());
    std::vector<size_t> queue;
    const auto call = [&](size_t i) {
      if (seen[i]) return;
      seen[i] = true;
      queue.push_back(i);
    };
    for (const size_t i : functions) call(i);
    for (size_t i = 0; i < live.size(); ++i) {
      if (!live[i]) continue;
      OpUse& use = use_of(graph_.nodes()[i].op);
      mark(use);
      if (count && !node_counted_[i]) {
        node_counted_[i] = true;
        ++use.reached;
      }
      for (const size_t function : calls_of(graph_.nodes()[i])) call(function);
    }
    while (!queue.empty()) {
      const size_t i = queue.back();
      queue.pop_back();
      FERRY_ASSIGN_OR_RETURN(const Body* body, read(i));
      const bool first = count && !reached_functions_[i];
      if (count) reached_functions_[i] = true;
      for (size_t k = 0; k < body->live.size(); ++k) {
        if (!body->live[k]) continue;
        OpUse& use = use_of(body->function->nodes()[k].op);
        mark(use);
        if (first) ++use.reached;
        for (const size_t function : body->calls[k]) call(function);
      }
    }
    return {};
  }

  // Functions that make and fill tables and the like.
  std::vector<size_t> initializers() const {
    return functions_at([](std::string_view path) {
      const std::string_view last = path.substr(path.rfind('/') + 1);
      return last == "_initialize" || last == "_create_resource";
    });
  }
  std::vector<size_t> callables() const {
    std::vector<size_t> out;
    const auto functions = callable_functions(meta_);
    if (!functions.ok()) return out;
    for (const CallableFunction& function : *functions) {
      for (const auto& trace : function.traces) {
        if (const auto i = graph_.functions().find(trace.function)) out.push_back(*i);
      }
    }
    return out;
  }
  template <class Wanted>
  std::vector<size_t> functions_at(Wanted&& wanted) const {
    std::vector<size_t> out;
    const auto functions = callable_functions(meta_, true);
    if (!functions.ok()) return out;
    for (const CallableFunction& function : *functions) {
      if (!wanted(function.path)) continue;
      for (const auto& trace : function.traces) {
        if (const auto i = graph_.functions().find(trace.function)) out.push_back(*i);
      }
    }
    return out;
  }

  const MetaGraph& meta_;
  const Graph& graph_;
  std::map<std::string, OpUse, std::less<>> uses_;
  std::set<std::string> missing_;
  std::vector<Body> bodies_;
  std::vector<bool> read_, reached_functions_, node_counted_;
};

}  // namespace

bool is_core_op(std::string_view name) {
  if (name.find(' ') != name.npos) return false;
  return kCoreOps.find(concat(" ", name, " ")) != kCoreOps.npos;
}

Result<OpCensus> count_ops(const MetaGraph& meta, std::span<const std::string> fetches) { return Census(meta).run(fetches); }

}  // namespace ferry
