// A signature for a graph that has none: what is fed, and what looks like a result.
//
// tf.compat.v1.sparse_placeholder(name="x") makes three placeholders, x/indices, x/values and x/shape. People also make three of their own;
// then a sparse op that takes them together tells.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "ferry/signature.h"
#include "graph/parse.h"

namespace ferry {
namespace {

using namespace graph;

bool is_placeholder(const Node& node) {
  return node.op == "Placeholder" || node.op == "PlaceholderWithDefault" || node.op == "PlaceholderV2";
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('/') + 1); }

// Ops whose inputs 0, 1, 2 (or those given) are a sparse tensor's indices, values and shape, for graphs without a list of ops.
struct Consumer {
  std::string_view op;
  std::array<size_t, 3> at;
};
constexpr Consumer kConsumers[] = {
    {"SparseTensorDenseMatMul", {0, 1, 2}},
    {"SparseToDense", {0, 2, 1}},
    {"SparseReorder", {0, 1, 2}},
    {"SparseTensorDenseAdd", {0, 1, 2}},
    {"SparseReduceSum", {0, 1, 2}},
    {"SparseReduceMax", {0, 1, 2}},
    {"SparseReduceSumSparse", {0, 1, 2}},
    {"SparseReduceMaxSparse", {0, 1, 2}},
    {"SparseSlice", {0, 1, 2}},
    {"SparseSoftmax", {0, 1, 2}},
    {"SparseFillEmptyRows", {0, 1, 2}},
    {"SparseDenseCwiseMul", {0, 1, 2}},
    {"SparseDenseCwiseDiv", {0, 1, 2}},
    {"SparseDenseCwiseAdd", {0, 1, 2}},
    {"SparseAdd", {0, 1, 2}},
    {"SparseAdd", {3, 4, 5}},
    {"SparseSparseMaximum", {0, 1, 2}},
    {"SparseSparseMaximum", {3, 4, 5}},
    {"SparseSparseMinimum", {0, 1, 2}},
    {"SparseSparseMinimum", {3, 4, 5}},
    {"SerializeSparse", {0, 1, 2}},
    {"SerializeManySparse", {0, 1, 2}},
    {"AddSparseToTensorsMap", {0, 1, 2}},
    {"AddManySparseToTensorsMap", {0, 1, 2}},
    {"SparseSplit", {1, 2, 3}},
    {"SparseBincount", {0, 1, 2}},
    {"SparseCountSparseOutput", {0, 1, 2}},
    {"DenseToSparseSetOperation", {1, 2, 3}},
    {"SparseToSparseSetOperation", {0, 1, 2}},
    {"SparseToSparseSetOperation", {3, 4, 5}},
    {"SetSize", {0, 1, 2}},
    {"SparseTensorToCSRSparseMatrix", {0, 1, 2}},
    {"EditDistance", {0, 1, 2}},
    {"EditDistance", {3, 4, 5}},
    {"CTCLoss", {1, 2, 0}},
};

constexpr std::string_view kResults[] = {
    "predictions", "prediction", "predict", "probabilities", "probability", "probs",       "prob",    "softmax",
    "logits",      "logit",      "scores",  "score",         "output",      "outputs",     "result",  "results",
    "y_pred",      "pred",       "preds",   "classes",       "class_ids",   "logistic",    "sigmoid", "final_result",
    "embedding",   "embeddings", "y_hat",   "yhat",          "predicted",   "labels_pred", "out"};
constexpr std::string_view kTargets[] = {"label", "labels", "target", "targets", "y_true", "y_", "ground_truth", "groundtruth"};

// "logits_1" → "logits".
std::string_view plain_name(std::string_view name) {
  name = last_part(name);
  const size_t end = name.find_last_not_of("0123456789");
  if (end != name.npos && end + 1 < name.size() && name[end] == '_') return name.substr(0, end);
  return name;
}
template <size_t N>
bool is_one_of(std::string_view name, const std::string_view (&names)[N]) {
  return std::ranges::find(names, name) != std::end(names);
}

bool changes_state(std::string_view op) {
  for (const std::string_view start :
       {"Apply", "ResourceApply", "SparseApply", "ResourceSparseApply", "Assign", "Scatter", "ResourceScatter", "Save", "Restore",
        "QueueEnqueue", "QueueClose", "WriteFile", "InitializeTable"}) {
    if (op.starts_with(start) && op != "ScatterNd") return true;
  }
  return op.ends_with("Summary") || op.ends_with("SummaryV2") || op == "MergeSummary";
}
bool is_loss_op(std::string_view op) {
  return op.find("CrossEntropy") != op.npos || op.starts_with("CTCLoss") || op == "L2Loss" || op.starts_with("InTopK");
}
bool is_gradient(std::string_view name) { return name.starts_with("gradients/") || name.find("/gradients/") != name.npos; }

class Proposer {
 public:
  Proposer(const MetaGraph& meta, const Limits& limits) : meta_(meta), nodes_(meta.graph().nodes()), lookup_(meta), limits_(limits) {}

  Result<std::optional<Signature>> run() {
    connect();
    mark();
    std::vector<size_t> outputs = choose_outputs();
    std::vector<bool> wanted(nodes_.size());
    for (const size_t i : outputs) wanted[i] = true;
    spread(wanted, producers_);
    Signature out;
    out.key = "proposed";
    out.method = "tensorflow/serving/predict";
    out.proposed = true;
    find_triples();
    for (const Triple& triple : triples_) {
      const bool used = wanted[triple.nodes[0]] || wanted[triple.nodes[1]] || wanted[triple.nodes[2]];
      if (outputs.empty() || used) out.inputs.push_back(sparse_port(triple));
    }
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!input_[i] || in_triple_[i] || (!outputs.empty() && !wanted[i])) continue;
      out.inputs.push_back(dense_port(std::string(nodes_[i].name), i));
    }
    for (const size_t i : outputs) out.outputs.push_back(dense_port(std::string(nodes_[i].name), i));
    shorten(out.outputs);
    if (out.inputs.empty() && out.outputs.empty()) return std::optional<Signature>();
    if (out.outputs.empty()) out.notes.push_back("no tensor looks like a result; any tensor of the graph may be fetched");
    return std::optional<Signature>(std::move(out));
  }

 private:
  struct Triple {
    std::string name;
    std::array<size_t, 3> nodes;  // indices, values, shape
  };

  // Who feeds whom.
  void connect() {
    const size_t count = nodes_.size();
    producers_.resize(count);
    consumers_.resize(count);
    input_.assign(count, false);
    in_triple_.assign(count, false);
    for (size_t i = 0; i < count; ++i) {
      for (const std::string_view input : nodes_[i].inputs) {
        const auto ref = parse_input(input);
        if (!ref.ok()) continue;
        const auto from = nodes_.find(ref->node);
        if (!from) continue;
        producers_[i].push_back(static_cast<uint32_t>(*from));
        consumers_[*from].push_back(static_cast<uint32_t>(i));
      }
    }
    const std::string_view saver_file = meta_.saver() ? meta_.saver()->filename_tensor : std::string_view();
    for (size_t i = 0; i < count; ++i) {
      const Node& node = nodes_[i];
      if (!is_placeholder(node) || is_gradient(node.name)) continue;
      if (saver_file.substr(0, saver_file.find(':')) == node.name || node.name == "saver_filename") continue;
      if (last_part(node.name) == "filename" || (node.name.starts_with("save") && node.name.find("/Const") != std::string_view::npos))
        continue;
      if (std::ranges::any_of(meta_.assets(),
                              [&](const AssetFile& asset) { return asset.tensor.substr(0, asset.tensor.find(':')) == node.name; }))
        continue;
      input_[i] = true;
    }
  }

  // Marks what is reached from what is marked.
  static void spread(std::vector<bool>& marked, const std::vector<std::vector<uint32_t>>& edges) {
    std::vector<uint32_t> queue;
    for (size_t i = 0; i < marked.size(); ++i) {
      if (marked[i]) queue.push_back(static_cast<uint32_t>(i));
    }
    while (!queue.empty()) {
      const uint32_t at = queue.back();
      queue.pop_back();
      for (const uint32_t next : edges[at]) {
        if (marked[next]) continue;
        marked[next] = true;
        queue.push_back(next);
      }
    }
  }

  // Training: losses, gradients, updates, summaries, the saver, and all that follows from them. Live: what depends on an input.
  void mark() {
    training_.assign(nodes_.size(), false);
    live_.assign(nodes_.size(), false);
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Node& node = nodes_[i];
      training_[i] = changes_state(node.op) || is_loss_op(node.op) || is_gradient(node.name) ||
                     (input_[i] && is_one_of(plain_name(node.name), kTargets));
      live_[i] = input_[i];
    }
    // What a sparse label's parts are named.
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const std::string_view name = nodes_[i].name;
      const size_t slash = name.rfind('/');
      if (input_[i] && slash != name.npos && is_one_of(plain_name(name.substr(0, slash)), kTargets)) training_[i] = true;
    }
    for (const std::string_view name : {"losses", "train_op", "summaries"}) {
      const auto collection = meta_.collection(name);
      if (!collection.ok()) continue;
      for (const std::string_view tensor : collection->texts) {
        if (const auto node = nodes_.find(tensor.substr(0, tensor.find(':')))) training_[*node] = true;
      }
    }
    spread(training_, consumers_);
    spread(live_, consumers_);
  }

  // What is named like a result, and what nothing consumes; else what only training consumes, as logits are by a loss.
  std::vector<size_t> choose_outputs() const {
    std::vector<size_t> named, sinks, edge;
    const bool no_ops = has_no_ops();
    std::set<std::string_view> loss_scopes;
    for (const Node& node : nodes_) {
      if (is_loss_op(node.op) && node.name.find('/') != node.name.npos) loss_scopes.insert(node.name.substr(0, node.name.rfind('/')));
    }
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (input_[i] || !live_[i] || training_[i]) continue;
      const Node& node = nodes_[i];
      if (node.op == "NoOp" || node.op == "Assert" || node.op == "Print" || node.op == "Switch" || node.op == "Merge") continue;
      const int type = lookup_.output_type(node, 0);
      if (type == 0 ? !no_ops : type > 100 || type == static_cast<int>(DType::resource) || type == static_cast<int>(DType::variant))
        continue;
      const size_t slash = node.name.rfind('/');
      if (slash != node.name.npos && loss_scopes.contains(node.name.substr(0, slash))) continue;
      const auto idle = [&](uint32_t next) {
        return nodes_[next].op == "NoOp" || nodes_[next].op == "Assert" || nodes_[next].op == "Print";
      };
      if (is_one_of(plain_name(node.name), kResults)) {
        named.push_back(i);
      } else if (std::ranges::all_of(consumers_[i], idle)) {
        sinks.push_back(i);
      } else if (std::ranges::all_of(consumers_[i], [&](uint32_t next) { return training_[next] || idle(next); })) {
        edge.push_back(i);
      }
    }
    std::vector<size_t> out = named;
    out.insert(out.end(), sinks.begin(), sinks.end());
    if (out.empty()) out = edge;
    if (out.size() > 16) out.resize(16);
    return out;
  }
  bool has_no_ops() const {
    const auto ops = meta_.ops();
    return !ops.ok() || ops->empty();
  }

  // ---- Sparse placeholders

  std::optional<DType> dtype_of(size_t i) const {
    const auto dtype = nodes_[i].type("dtype");
    return dtype.ok() ? std::optional(*dtype) : std::nullopt;
  }
  bool is_part(size_t i) const { return input_[i] && !in_triple_[i]; }
  // The shape may be a constant where it is known in full.
  bool is_shape(size_t i) const { return is_part(i) || (nodes_[i].op == "Const" && !in_triple_[i]); }

  bool add(std::string name, size_t indices, size_t values, size_t shape) {
    if (indices == values || values == shape || indices == shape) return false;
    if (!is_part(indices) || !is_part(values) || !is_shape(shape)) return false;
    if (dtype_of(indices) != DType::int64 || dtype_of(shape) != DType::int64) return false;
    const PartialShape a = facts(indices).shape, b = facts(values).shape, c = facts(shape).shape;
    if ((a.has_rank() && a.dims().rank() != 2) || (b.has_rank() && b.dims().rank() != 1) || (c.has_rank() && c.dims().rank() != 1))
      return false;
    if (a.has_rank() && c.has_rank() && a.dims()[1] >= 0 && c.dims()[0] >= 0 && a.dims()[1] != c.dims()[0]) return false;
    for (const size_t i : {indices, values, shape}) in_triple_[i] = true;
    triples_.push_back({std::move(name), {indices, values, shape}});
    return true;
  }
  TensorFacts facts(size_t i) const { return lookup_.find(nodes_[i].name); }

  void find_triples() {
    // By name.
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const std::string_view name = nodes_[i].name;
      constexpr std::string_view kIndices = "indices";
      if (!is_part(i) || !name.ends_with(kIndices)) continue;
      const std::string_view stem = name.substr(0, name.size() - kIndices.size());
      if (!stem.empty() && stem.back() != '/' && stem.back() != '_' && stem.back() != '.') continue;
      const auto values = nodes_.find(concat(stem, "values"));
      if (!values) continue;
      for (const std::string_view word : {"shape", "dense_shape"}) {
        const auto shape = nodes_.find(concat(stem, word));
        if (!shape) continue;
        std::string logical(stem.substr(0, stem.empty() ? 0 : stem.size() - 1));
        if (logical.empty()) logical = "sparse";
        if (add(std::move(logical), i, *values, *shape)) break;
      }
    }
    // By an op that takes the three together.
    for (const Node& node : nodes_) {
      for (const Consumer& consumer : kConsumers) {
        if (consumer.op == node.op) try_consumer(node, consumer.at);
      }
      if (node.op == "SparseConcat" || node.op.starts_with("SparseCross")) {
        const auto count = node.integer("N", 0);
        if (!count.ok() || *count <= 0 || *count > 10000) continue;
        const auto n = static_cast<size_t>(*count);
        for (size_t k = 0; k < n; ++k) try_consumer(node, {k, n + k, 2 * n + k});
      }
    }
    find_neighbours();
  }
  // By their shapes, three that follow one another: [?, rank], [?], [rank]. sparse_placeholder() without a name makes Placeholder,
  // Placeholder_1 and Placeholder_2, the shape first; where the rank is open too, only such names and dtypes tell.
  void find_neighbours() {
    std::vector<size_t> free;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (is_part(i)) free.push_back(i);
    }
    for (size_t k = 0; k + 2 < free.size();) {
      const size_t a = free[k], b = free[k + 1], c = free[k + 2];
      if (is_triple(a, b, c) ? add(neighbours_name({a, b, c}), a, b, c) : is_triple(c, b, a) && add(neighbours_name({c, b, a}), c, b, a)) {
        k += 3;
      } else {
        ++k;
      }
    }
  }
  bool is_triple(size_t indices, size_t values, size_t shape) const {
    const PartialShape a = facts(indices).shape, b = facts(values).shape, c = facts(shape).shape;
    const auto rank_is = [](const PartialShape& x, size_t rank) { return x.has_rank() && x.dims().rank() == rank; };
    if (dtype_of(indices) != DType::int64 || dtype_of(shape) != DType::int64) return false;
    if (!rank_is(a, 2) || !rank_is(b, 1) || !rank_is(c, 1) || a.dims()[0] >= 0 || b.dims()[0] >= 0) return false;
    if (a.dims()[1] >= 0) return a.dims()[1] == c.dims()[0];
    const bool nameless =
        std::ranges::all_of(std::array{indices, values, shape}, [&](size_t i) { return plain_name(nodes_[i].name) == "Placeholder"; });
    return nameless && c.dims()[0] < 0 && dtype_of(values) != DType::int64;
  }
  std::string neighbours_name(const std::array<size_t, 3>& nodes) const {
    const std::string name = common_name(nodes);
    return plain_name(name) == "Placeholder" ? std::string(nodes_[std::min(nodes[0], nodes[2])].name) : name;
  }

  void try_consumer(const Node& node, std::array<size_t, 3> at) {
    std::array<size_t, 3> found{};
    for (size_t k = 0; k < 3; ++k) {
      if (at[k] >= node.inputs.size()) return;
      const auto source = source_of(node.inputs[at[k]]);
      if (!source) return;
      found[k] = *source;
    }
    add(common_name(found), found[0], found[1], found[2]);
  }
  // Back through what changes nothing of the order of entries.
  std::optional<size_t> source_of(std::string_view input) const {
    for (int hops = 0; hops < 8; ++hops) {
      const auto ref = parse_input(input);
      if (!ref.ok() || ref->control) return std::nullopt;
      const auto i = nodes_.find(ref->node);
      if (!i) return std::nullopt;
      const Node& node = nodes_[*i];
      if (input_[*i] || node.op == "Const") return *i;
      if (node.inputs.empty()) return std::nullopt;
      if (node.op == "Identity" || node.op == "Cast" || node.op == "StopGradient") {
        input = node.inputs[0];
      } else if (node.op == "SparseReorder" && ref->index < 2) {
        if (node.inputs.size() < 2) return std::nullopt;
        input = node.inputs[static_cast<size_t>(ref->index)];
      } else {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }
  // What the three names have in common, else the values' name.
  std::string common_name(const std::array<size_t, 3>& nodes) const {
    const std::string_view a = nodes_[nodes[0]].name, b = nodes_[nodes[1]].name, c = nodes_[nodes[2]].name;
    size_t length = 0;
    while (length < a.size() && length < b.size() && length < c.size() && a[length] == b[length] && a[length] == c[length]) ++length;
    std::string_view common = a.substr(0, length);
    const size_t end = common.find_last_of("/_.");
    common = end == common.npos ? std::string_view() : common.substr(0, end);
    return std::string(common.empty() ? b : common);
  }

  // ---- Ports

  Port dense_port(std::string name, size_t i) const {
    Port out;
    out.name = std::move(name);
    out.origin = PortOrigin::proposed;
    const TensorFacts known = facts(i);
    PortPart part;
    part.tensor = concat(nodes_[i].name, ":0");
    part.key = out.name;
    part.dtype = known.dtype;
    part.shape = known.shape;
    out.dtype = part.dtype;
    out.shape = part.shape;
    out.parts.push_back(std::move(part));
    return out;
  }
  Port sparse_port(const Triple& triple) const {
    Port out;
    out.name = triple.name;
    out.kind = TensorKind::coo;
    out.origin = PortOrigin::proposed;
    constexpr PartRole kRoles[] = {PartRole::indices, PartRole::values, PartRole::dense_shape};
    constexpr std::string_view kWords[] = {"indices", "values", "dense_shape"};
    for (size_t k = 0; k < 3; ++k) {
      Port part = dense_port(concat(triple.name, "/", kWords[k]), triple.nodes[k]);
      part.parts[0].role = kRoles[k];
      out.parts.push_back(std::move(part.parts[0]));
    }
    out.dtype = out.parts[1].dtype;
    out.shape = known_shape(triple);
    return out;
  }
  // From a default or constant shape where there is one, else the rank.
  PartialShape known_shape(const Triple& triple) const {
    const Node* shape = &nodes_[triple.nodes[2]];
    if (shape->op == "PlaceholderWithDefault" && !shape->inputs.empty()) {
      const auto ref = parse_input(shape->inputs[0]);
      if (ref.ok()) {
        if (const auto i = nodes_.find(ref->node)) shape = &nodes_[*i];
      }
    }
    if (shape->op == "Const") {
      if (const AttrValue* value = shape->find("value")) {
        const auto tensor = value->constant(nullptr, limits_);
        if (tensor.ok() && tensor->dtype() == DType::int64 && tensor->shape().rank() == 1 && tensor->num_elements() <= 254) {
          Shape dims;
          for (const int64_t dim : tensor->values<int64_t>()) dims.append(std::max<int64_t>(dim, -1));
          return dims;
        }
      }
    }
    int64_t rank = -1;
    if (const PartialShape a = facts(triple.nodes[0]).shape; a.has_rank() && a.dims().rank() == 2) rank = a.dims()[1];
    if (const PartialShape c = facts(triple.nodes[2]).shape; rank < 0 && c.has_rank() && c.dims().rank() == 1) rank = c.dims()[0];
    if (rank < 0 || rank > 254) return {};
    Shape dims;
    for (int64_t i = 0; i < rank; ++i) dims.append(-1);
    return dims;
  }
  // "model/tower/logits" is "logits" where no other is.
  static void shorten(std::vector<Port>& ports) {
    std::map<std::string, size_t, std::less<>> count;
    for (const Port& port : ports) ++count[std::string(last_part(port.name))];
    for (Port& port : ports) {
      const std::string_view name = last_part(port.name);
      if (count.find(name)->second == 1) port.name = std::string(name);
      port.parts[0].key = port.name;
    }
  }

  const MetaGraph& meta_;
  const Nodes& nodes_;
  TensorLookup lookup_;
  const Limits& limits_;
  std::vector<std::vector<uint32_t>> producers_, consumers_;
  std::vector<bool> input_, in_triple_, training_, live_;
  std::vector<Triple> triples_;
};

}  // namespace

Result<std::optional<Signature>> propose_signature(const MetaGraph& meta, const Limits& limits) { return Proposer(meta, limits).run(); }

}  // namespace ferry
