// Signature: what a model takes and gives, as a person thinks of it: logical tensors, sparse and ragged ones among them, and the plain
// tensors that each of them is made of in the graph.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/parts.h"
#include "ferry/stored_model.h"

namespace ferry {

// How it is known that parts make up one tensor.
enum class PortOrigin : uint8_t {
  declared,    // the signature says so (coo_sparse, composite_tensor), or the tensor is plain and there is nothing to know
  structured,  // the function behind the signature takes it so
  named,       // names by the Parts rule: x/indices, x/values, x/dense_shape
  proposed,    // dtypes and shapes look like it: a guess
};
std::string_view port_origin_name(PortOrigin origin);

// One plain tensor of the graph.
struct PortPart {
  std::string key;     // in the signature's flat map; empty where the part has none of its own (coo_sparse, composite_tensor)
  std::string tensor;  // "serving_default_features_1:0"
  PartRole role = PartRole::values;
  size_t level = 0;  // of row_splits, from the outermost
  std::optional<DType> dtype;
  PartialShape shape;
  std::span<const std::byte> default_value;  // a TensorProto within the MetaGraph's bytes; empty where there is none
};

struct Port {
  std::string name;
  TensorKind kind = TensorKind::dense;  // dense, coo or ragged
  std::optional<DType> dtype;           // of the values; nothing where it cannot be found out
  PartialShape shape;                   // of the whole; a ragged axis is of any length
  PortOrigin origin = PortOrigin::declared;
  std::vector<PortPart> parts;  // dense: one; coo: indices, values, dense_shape; ragged: values, then row_splits from the outermost
  std::string argument;         // of the function behind: "x['clicks']"; empty where it is not known
  bool has_default() const { return parts.size() == 1 && !parts[0].default_value.empty(); }
};

struct Signature {
  std::string key;     // "serving_default"; of a proposed one "proposed"
  std::string method;  // "tensorflow/serving/predict"
  std::vector<Port> inputs, outputs;
  std::vector<std::string> notes;  // what the file says and the graph contradicts, what could not be found out
  bool proposed = false;           // read out of the graph, not the file

  std::string_view short_method() const;  // "predict"
  const Port* find_input(std::string_view name) const;
  const Port* find_output(std::string_view name) const;
};

// All but those that stand for initialization (see init_ops()), by key. Composite inputs that the file keeps in pieces are put together:
// exactly where the function behind the signature is known, else as proposals. `keras_metadata`: the contents of keras_metadata.pb, for the
// names of Keras layers.
Result<std::vector<Signature>> read_signatures(const MetaGraph& meta, std::string_view keras_metadata = {}, const Limits& limits = {});
Result<std::vector<Signature>> read_signatures(const StoredModel& model, const MetaGraph& meta);

// What has to run before anything else: nodes (of the signature __saved_model_init_op, of the collections saved_model_main_op,
// legacy_init_op and table_initializer), in this order.
std::vector<std::string> init_ops(const MetaGraph& meta);

// For graphs without signatures (.meta files, frozen graphs): placeholders as inputs, sparse ones found by name and by what consumes them;
// what looks like a result as outputs. Nothing where there is no placeholder and no output.
Result<std::optional<Signature>> propose_signature(const MetaGraph& meta, const Limits& limits = {});

// A function of the object graph that can be called.
struct CallableFunction {
  struct Trace {
    std::string function;  // in the library
    std::vector<Port> inputs;
    std::vector<Port> outputs;
    std::vector<std::string> values;  // arguments that are no tensors: "training=False"
  };
  std::string path;  // "f", "encoder.call"
  std::vector<Trace> traces;
};
// Those that a person would call: the functions of Keras's layers, and restore and save functions, are left out unless `all`.
Result<std::vector<CallableFunction>> callable_functions(const MetaGraph& meta, bool all = false, const Limits& limits = {});

// What is known of one tensor of the graph from its node alone, without trusting signatures: "x:0".
struct TensorFacts {
  std::optional<DType> dtype;
  PartialShape shape;
  bool exists = false;
};
// Looks ops up in the graph's own list of them. Good as long as the MetaGraph.
class TensorLookup {
 public:
  explicit TensorLookup(const MetaGraph& meta);
  TensorFacts find(std::string_view tensor) const;
  // The number of a DataType; 0 where it cannot be told.
  int output_type(const Node& node, int32_t index) const;

 private:
  const MetaGraph& meta_;
  std::vector<OpDef> ops_;  // by name
};

}  // namespace ferry
