// SavedObjects: the object graph of a SavedModel, which ties functions, variables, assets and tables to one another and to the names that
// people gave them. (The object graph of a checkpoint is another message: see ferry/checkpoint.h.)
//
// Views into the bytes; good as long as the SavedObjects they came from. Thread-safe: reading changes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ferry/graph.h"

namespace ferry {

// A Python value as TensorFlow writes it down: specs of arguments in their tuples and dicts.
struct StructuredValue {
  enum class Kind : uint8_t {
    none,
    number,
    integer,
    text,
    boolean,
    shape,
    dtype,
    tensor_spec,
    bounded_tensor_spec,
    type_spec,
    list,
    tuple,
    dict,
    named_tuple,
    tensor
  };
  Kind kind = Kind::none;
  double number = 0;
  int64_t integer = 0;                 // also of a boolean; of a type_spec: how many plain tensors it stands for
  std::string_view text;               // of text; the name of a tensor_spec or named tuple; the class of a type_spec ("SparseTensorSpec")
  int type_number = 0;                 // of dtype and tensor_spec; of a type_spec its class (TypeSpecClass)
  PartialShape shape;                  // of shape and tensor_spec
  std::span<const std::byte> tensor;   // a TensorProto: of tensor, unread
  std::vector<std::string_view> keys;  // of dict (sorted) and named_tuple, one for each item
  std::vector<StructuredValue> items;  // of list, tuple, dict and named_tuple; of a type_spec: its state, one item

  const StructuredValue* find(std::string_view key) const;  // of a dict or named tuple
  static Result<StructuredValue> parse(std::span<const std::byte> message, uint64_t base = 0, const Limits& limits = {});
};
inline constexpr int kSparseTensorSpec = 1, kRaggedTensorSpec = 3;  // TypeSpecClass

// A message that is read when it is asked for.
struct LazyValue {
  std::span<const std::byte> message;
  uint64_t base = 0;
  bool present() const { return message.data() != nullptr; }
  Result<StructuredValue> read(const Limits& limits = {}) const { return StructuredValue::parse(message, base, limits); }
};

struct FunctionSpec {
  LazyValue fullargspec, input_signature;
  bool is_method = false;
};

struct SavedObject {
  enum class Kind : uint8_t { none, user_object, asset, function, variable, bare_concrete_function, constant, resource, captured_tensor };
  struct Child {
    int32_t id;
    std::string_view name;
  };
  struct Slot {
    int32_t variable, slot_variable;
    std::string_view name;
  };
  struct Saveable {
    std::string_view name;
    int32_t save_function, restore_function;
  };
  Kind kind = Kind::none;
  std::vector<Child> children, dependencies;
  std::vector<Slot> slots;
  std::vector<Saveable> saveables;
  std::string_view registered_name, registered_saver;

  std::string_view name;                             // variable: its name; captured_tensor: its name; constant: the node
  std::string_view identifier, metadata;             // user_object: "_tf_keras_model", and what its class wrote (JSON)
  std::string_view device;                           // variable, resource
  int32_t version = 0;                               // user_object: of its producer
  int32_t asset = -1;                                // asset: position among the asset files
  std::vector<std::string_view> concrete_functions;  // function: those it was traced to; bare and captured: the one
  std::vector<std::string_view> argument_keywords;   // bare_concrete_function
  int64_t positional_arguments = 0;                  // bare_concrete_function: how many may be given by position
  FunctionSpec function_spec;
  int type_number = 0;     // variable
  PartialShape shape;      // variable
  bool trainable = false;  // variable
};
std::string_view saved_object_kind_name(SavedObject::Kind kind);

// What a function of the graph's library captures, and the Python values it was traced with.
struct ConcreteFunction {
  std::string_view name;              // in the library
  std::vector<int32_t> bound_inputs;  // objects whose tensors follow the arguments
  LazyValue input_signature;          // canonicalized: a tuple of (positional arguments, dict of the others)
  LazyValue output_signature;
};

class SavedObjects {
 public:
  static Result<SavedObjects> parse(Buffer bytes, uint64_t base = 0, const Limits& limits = {});
  bool empty() const { return nodes_.empty(); }
  std::span<const SavedObject> nodes() const { return nodes_; }
  const SavedObject& operator[](size_t i) const { return nodes_[i]; }
  std::span<const ConcreteFunction> functions() const { return functions_; }  // by name
  const ConcreteFunction* find_function(std::string_view name) const;
  // The object of that name below another; nothing where there is none.
  std::optional<size_t> child(size_t of, std::string_view name) const;
  // For each object the shortest way from the root ("layers/0/kernel"), of equally long ones the first in the file; empty for the root and
  // what cannot be reached.
  std::vector<std::string> paths() const;

 private:
  Buffer bytes_;
  std::vector<SavedObject> nodes_;
  std::vector<ConcreteFunction> functions_;
};

}  // namespace ferry
