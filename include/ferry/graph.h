// Graph: TensorFlow's GraphDef as data. Nodes, their inputs and attributes, and the library of functions. Nothing runs here.
//
// Names are views into the bytes, and attribute values are spans of them, read when they are asked for: opening a graph of 100 MB of
// constants touches its structure only. Everything keeps the bytes alive through the Graph (or Function) that it came from, and is good
// as long as that. Reading changes nothing, so all of it is thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/buffer.h"
#include "ferry/dtype.h"
#include "ferry/limits.h"
#include "ferry/shape.h"
#include "ferry/status.h"
#include "ferry/tensor.h"

namespace ferry {

// What is known of a shape before anything runs: nothing, the rank, or some of the axes (-1: any length).
class PartialShape {
 public:
  PartialShape() = default;  // of unknown rank
  PartialShape(Shape dims) : known_(true), dims_(std::move(dims)) {}

  bool has_rank() const { return known_; }
  const Shape& dims() const { return dims_; }  // of a known rank
  bool is_full() const;                        // every axis is known
  // "?" for an unknown rank, "[?, 5]".
  std::string to_string() const;
  friend bool operator==(const PartialShape&, const PartialShape&) = default;

 private:
  bool known_ = false;
  Shape dims_;
};

// ---- Attributes

enum class AttrKind : uint8_t { none, text, integer, number, boolean, type, shape, tensor, list, func, placeholder };
std::string_view attr_kind_name(AttrKind kind);

struct Attr;
// A function and the attributes it is called with.
struct FunctionCall;

// One AttrValue. Where the kind is not the one asked for, the error says what is there. Lists without elements are of every kind.
class AttrValue {
 public:
  AttrValue() = default;
  explicit AttrValue(std::span<const std::byte> message, uint64_t base = 0) : message_(message), base_(base) {}

  AttrKind kind() const;
  Result<std::string_view> text() const;  // any bytes
  Result<int64_t> integer() const;
  Result<float> number() const;
  Result<bool> boolean() const;
  Result<DType> type() const;       // a reference type (DT_FLOAT_REF) is the type it refers to
  Result<int> type_number() const;  // as it stands: 0 (none), references above 100
  Result<PartialShape> shape(const Limits& limits = {}) const;
  Result<std::span<const std::byte>> tensor() const;                                              // a TensorProto, unread
  Result<DenseTensor> constant(const Buffer* source = nullptr, const Limits& limits = {}) const;  // the same, read
  Result<FunctionCall> func() const;
  Result<std::string_view> placeholder() const;  // in a function's body: the attribute of the call that stands here

  AttrKind list_kind() const;  // of the elements; none where there are none, or this is no list
  size_t list_size() const;
  Result<std::vector<std::string_view>> texts() const;
  Result<std::vector<int64_t>> integers() const;
  Result<std::vector<float>> numbers() const;
  Result<std::vector<bool>> booleans() const;
  Result<std::vector<DType>> types() const;
  Result<std::vector<int>> type_numbers() const;
  Result<std::vector<PartialShape>> shapes(const Limits& limits = {}) const;
  Result<std::vector<std::span<const std::byte>>> tensors() const;
  Result<std::vector<FunctionCall>> funcs() const;

  std::span<const std::byte> message() const { return message_; }
  uint64_t offset() const { return base_; }  // of the message in its file

 private:
  std::span<const std::byte> message_;
  uint64_t base_ = 0;
};

struct Attr {
  std::string_view name;
  AttrValue value;
};

struct FunctionCall {
  std::string_view name;
  std::vector<Attr> attrs;
};

// ---- Nodes

// What an input names. In a graph "node", "node:1", "^node"; in a function's body an argument "x" (or its part "x:1"), or
// "node:output:0" with the name of the output.
struct InputRef {
  std::string_view node;
  std::string_view output;  // in function bodies; else empty
  int32_t index = 0;
  bool control = false;
};
Result<InputRef> parse_input(std::string_view text);

struct Node {
  std::string_view name, op, device;
  std::span<const std::string_view> inputs;  // control inputs ("^name") are the last ones
  std::span<const Attr> attrs;
  uint64_t offset = 0;  // of the message in its file

  const AttrValue* find(std::string_view attr) const;  // null where it is left out: then the op's default holds
  // The value of an attribute, or `otherwise` where it is left out and there is one; the errors name node and attribute.
  Result<std::string_view> text(std::string_view attr, std::optional<std::string_view> otherwise = std::nullopt) const;
  Result<int64_t> integer(std::string_view attr, std::optional<int64_t> otherwise = std::nullopt) const;
  Result<float> number(std::string_view attr, std::optional<float> otherwise = std::nullopt) const;
  Result<bool> boolean(std::string_view attr, std::optional<bool> otherwise = std::nullopt) const;
  Result<DType> type(std::string_view attr, std::optional<DType> otherwise = std::nullopt) const;
  Result<PartialShape> shape(std::string_view attr, std::optional<PartialShape> otherwise = std::nullopt) const;
  Result<FunctionCall> func(std::string_view attr) const;
};

// Nodes in the order of the file, and by name. Moves only: nodes point into it.
class Nodes {
 public:
  Nodes() = default;
  Nodes(Nodes&&) = default;
  Nodes& operator=(Nodes&&) = default;

  size_t size() const { return nodes_.size(); }
  bool empty() const { return nodes_.empty(); }
  const Node& operator[](size_t i) const { return nodes_[i]; }
  const Node* begin() const { return nodes_.data(); }
  const Node* end() const { return nodes_.data() + nodes_.size(); }
  std::optional<size_t> find(std::string_view name) const;

 private:
  friend class NodesParser;
  std::vector<Node> nodes_;
  std::vector<std::string_view> inputs_;
  std::vector<Attr> attrs_;
  std::vector<uint32_t> slots_;  // positions + 1 by hash of the name
};

// ---- Ops and functions

struct ArgDef {
  std::string_view name, description;
  int type_number = 0;  // 0: an attribute says
  std::string_view type_attr, number_attr, type_list_attr;
  bool is_ref = false;
  // Of a resource: what it holds.
  struct HandleData {
    int type_number = 0;
    PartialShape shape;
  };
  std::vector<HandleData> handle_data;
};

struct AttrDef {
  std::string_view name, type;  // "type", "list(int)", "func"
  std::optional<AttrValue> default_value;
  std::optional<int64_t> minimum;
  std::optional<AttrValue> allowed_values;
};

// An op as an op list describes it, or the signature of a function.
struct OpDef {
  std::string_view name;
  std::vector<ArgDef> inputs, outputs;
  std::vector<std::string_view> control_outputs;
  std::vector<AttrDef> attrs;
  bool is_stateful = false, is_commutative = false, is_aggregate = false, allows_uninitialized_input = false;
  bool is_distributed_communication = false;
  std::string_view summary, description;
  const AttrDef* find_attr(std::string_view name) const;
  static Result<OpDef> parse(std::span<const std::byte> message, uint64_t base = 0, const Limits& limits = {});
};

// A function of a library, read. Moves only.
class Function {
 public:
  struct Ret {
    std::string_view name, tensor;  // of the signature's output (or control output), and what in the body it is
  };
  struct ArgAttrs {
    uint32_t arg;
    std::vector<Attr> attrs;
  };
  static Result<Function> parse(Buffer bytes, uint64_t base = 0, const Limits& limits = {});

  std::string_view name() const { return signature_.name; }
  const OpDef& signature() const { return signature_; }
  const Nodes& nodes() const { return nodes_; }
  std::span<const Ret> ret() const { return ret_; }  // in the order of the file; find by name
  std::span<const Ret> control_ret() const { return control_ret_; }
  std::span<const Attr> attrs() const { return attrs_; }
  std::span<const ArgAttrs> arg_attrs() const { return arg_attrs_; }
  const AttrValue* arg_attr(size_t arg, std::string_view name) const;
  // Arguments that are the same resource carry the same number: pairs of argument and number.
  std::span<const std::pair<uint32_t, uint32_t>> resource_arg_unique_ids() const { return unique_ids_; }
  std::optional<std::string_view> ret_of(std::string_view output) const;
  const AttrValue* find_attr(std::string_view name) const;

 private:
  Buffer bytes_;
  OpDef signature_;
  Nodes nodes_;
  std::vector<Ret> ret_, control_ret_;
  std::vector<Attr> attrs_;
  std::vector<ArgAttrs> arg_attrs_;
  std::vector<std::pair<uint32_t, uint32_t>> unique_ids_;
};

// Functions by name; a body is read when it is asked for. Of two with one name the first counts.
class FunctionLibrary {
 public:
  struct Gradient {
    std::string_view function, gradient;
  };
  size_t size() const { return functions_.size(); }
  std::string_view name(size_t i) const { return functions_[i].name; }
  std::optional<size_t> find(std::string_view name) const;
  Result<Function> read(size_t i) const;
  Result<Function> read(std::string_view name) const;
  std::span<const std::byte> message(size_t i) const { return functions_[i].message; }
  std::span<const Gradient> gradients() const { return gradients_; }

 private:
  friend class Graph;
  struct Entry {
    std::string_view name;
    std::span<const std::byte> message;
    uint64_t base;
  };
  Status add(std::span<const std::byte> message, uint64_t base, const Limits& limits);
  Status index();
  Buffer bytes_;
  Limits limits_;
  std::vector<Entry> functions_;
  std::vector<Gradient> gradients_;
  std::vector<uint32_t> slots_;
};

struct Versions {
  int32_t producer = 0, min_consumer = 0;
  std::vector<int32_t> bad_consumers;
  // Graphs of producers before 24 write a Placeholder's unknown shape as that of a scalar.
  bool empty_shape_is_unknown() const { return producer < 24; }
};

class Graph {
 public:
  Graph() = default;
  // A GraphDef's bytes, kept. `base` is where they begin in their file, for offsets in errors.
  static Result<Graph> parse(Buffer bytes, uint64_t base = 0, const Limits& limits = {});

  const Nodes& nodes() const { return nodes_; }
  const Node* find(std::string_view name) const;
  const FunctionLibrary& functions() const { return library_; }
  const Versions& versions() const { return versions_; }
  const Buffer& bytes() const { return bytes_; }

 private:
  Buffer bytes_;
  Nodes nodes_;
  FunctionLibrary library_;
  Versions versions_;
};

// TensorShapeProto, with axes of any length and unknown ranks.
Result<PartialShape> parse_shape(std::span<const std::byte> message, uint64_t base = 0, const Limits& limits = {});
// The dtype of a DataType number, references included; unsupported where there is none.
Result<DType> dtype_of_number(int number);
inline bool is_reference(int type_number) { return type_number > 100; }

}  // namespace ferry
