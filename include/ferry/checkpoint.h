// Checkpoint: the variables that a program kept on disk, what each of them is for, and the objects that held them.
// docs/checkpoints.md
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/buffer.h"
#include "ferry/format.h"
#include "ferry/limits.h"
#include "ferry/role.h"
#include "ferry/status.h"
#include "ferry/tensor.h"

namespace ferry {

// ---- Objects: what tf.train.Checkpoint writes of the program's objects (TrackableObjectGraph)

struct ObjectChild {
  std::string_view name;
  uint32_t node;
};
// What an object keeps in the checkpoint. A variable has one, named VARIABLE_VALUE.
struct ObjectAttribute {
  std::string_view name, full_name, key;
};
// Of an optimizer: `node` is the variable that it keeps beside `original`, under the name `name`.
struct ObjectSlot {
  std::string_view name;
  uint32_t original, node;
};
// One object; its names are good as long as the graph.
struct ObjectNode {
  std::span<const ObjectChild> children;
  std::span<const ObjectAttribute> attributes;
  std::span<const ObjectSlot> slots;
  std::string_view saver, saver_key;  // a registered saver writes tensors of its own, under keys that begin with this
};

// Cycles are normal, and several ways lead to most objects. Every id is that of a node: references to none are left out, and told
// by problems(). Thread-safe: nothing changes after parse().
class ObjectGraph {
 public:
  static constexpr std::string_view kKey = "_CHECKPOINTABLE_OBJECT_GRAPH";  // the string tensor that holds one

  static Result<ObjectGraph> parse(Buffer message, const Limits& limits = {});
  ObjectGraph(ObjectGraph&&) = default;
  ObjectGraph& operator=(ObjectGraph&&) = default;

  size_t size() const { return nodes_.size() - 1; }  // node 0 is the root, where there is any
  ObjectNode node(uint32_t id) const;
  bool is_optimizer(uint32_t id) const { return nodes_[id].optimizer; }
  // The optimizer without which this object is not reached, itself included; of nested ones the inner.
  std::optional<uint32_t> optimizer_of(uint32_t id) const;
  // The shortest way from the root that passes no optimizer, else the shortest; of two the one that was written first. Names are
  // joined by '/' and escaped as in keys ('.' is "..", '/' is ".S"). A slot's is VARIABLE/.OPTIMIZER_SLOT/OPTIMIZER/NAME.
  // Nothing for what cannot be reached, or only by a name longer than Limits::max_name_bytes.
  std::optional<std::string> path_of(uint32_t id) const;
  size_t path_size(uint32_t id) const;  // of what path_of() gives, without making it
  // The object at the end of a path, whichever way it takes.
  std::optional<uint32_t> find(std::string_view path) const;
  // The node and the position of the attribute that has this key, or one that begins it: what keeps several tensors, as a table does its
  // keys and values, is one attribute "table/.ATTRIBUTES/table" and the tensors "…/table-keys", "…/table-values".
  std::optional<std::pair<uint32_t, size_t>> find_key(std::string_view key) const;

  // References to nodes that are not there, a sentence each; not more than a hundred, and then how many.
  std::span<const std::string> problems() const { return problems_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  enum class Way : uint8_t { none, root, child, slot };
  struct Record {
    uint32_t children = 0, attributes = 0, slots = 0;  // where its own begin; the next one's are their end
    uint32_t parent = kNone, edge = 0;                 // how it is reached: children_[edge], or slots_[edge] of the optimizer `parent`
    uint32_t path_size = 0, owner = kNone;
    Way way = Way::none;
    bool optimizer = false;
  };
  struct Saver {
    uint32_t node;
    std::string_view name, key;
  };
  ObjectGraph() : nodes_(1) {}
  void drop_dangling();
  void find_optimizers();
  void find_ways(const Limits& limits);
  void note(std::string problem);
  std::optional<uint32_t> find_child(std::string_view path) const;

  Buffer message_;             // which all names lie in
  std::vector<Record> nodes_;  // and one more
  std::vector<ObjectChild> children_;
  std::vector<ObjectAttribute> attributes_;
  std::vector<ObjectSlot> slots_;
  std::vector<Saver> savers_;              // by node
  std::vector<uint32_t> by_key_;           // attributes by key, and
  std::vector<uint32_t> attribute_nodes_;  // whose each one is
  std::vector<std::string> problems_;
  size_t more_problems_ = 0;
};

// ---- Variables

struct Variable {
  std::string key;   // in the file
  std::string path;  // of the object: "model/layer-1/kernel"; empty without an object graph
  std::string name;  // that the program gave it, "dense/kernel"; where the file keeps none, what the key says
  Role role = Role::weight;
  bool of_optimizer = false;  // of no use without one: slots, iterations, settings
  std::string slot_name;      // "m", "momentum"; of a slot, where it is known
  std::string slot_of;        // key of the variable that the slot belongs to, where it is known
  size_t tensor = 0;          // position in the reader's listing
  std::optional<uint32_t> node;
};

// Of what a reader lists, in its order. `objects` may be null.
Result<std::vector<Variable>> describe_variables(std::span<const TensorInfo> tensors, const ObjectGraph* objects);
// The object graph that is among the tensors; nothing where there is none.
Result<std::optional<ObjectGraph>> read_object_graph(const TensorReader& reader, const Limits& limits = {});
// What does not fit between the graph and the arrays that it names (a reader without parts), a sentence each. Broken is what
// TensorFlow could not restore, the rest is odd.
struct ObjectFinding {
  bool broken;
  std::string message;
};
std::vector<ObjectFinding> check_objects(const ObjectGraph& objects, const TensorReader& arrays);

// ---- Folders of checkpoints

// What the file `checkpoint` in a folder says, by prefixes: paths without .index. Those that are not there any more, neither where it
// says nor under their last part in the folder, are left out.
struct CheckpointState {
  std::string latest;            // empty: named none that is there
  std::vector<std::string> all;  // oldest first
};
// Nothing where the folder has no such file.
Result<std::optional<CheckpointState>> read_checkpoint_state(const std::string& folder);

// ---- Checkpoint

enum class FindBy : uint8_t { key, path, name };

// Any file or folder of named tensors: of TensorFlow, Keras, PyTorch, safetensors, a SavedModel's variables. Lazy: open() finds the
// place, and one tensor by its key is read without a look at the others where the format can; all else is listed when it is first
// asked for, and an error of the listing is said each time. Thread-safe.
class Checkpoint {
 public:
  static Result<Checkpoint> open(const std::string& path, const Format* format = nullptr, const ReadOptions& options = {});
  static Result<Checkpoint> open(Place place, const Format* format = nullptr, const ReadOptions& options = {});
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const Format& format() const;
  const Place& place() const;
  const ReadOptions& options() const;
  // The tensor of that key; nothing where there is none.
  Result<std::optional<Tensor>> read(std::string_view key) const;

  Result<const TensorReader*> reader() const;
  Result<std::span<const Variable>> variables() const;
  Result<const ObjectGraph*> objects() const;  // null where there is none
  // Null where none is called so, and for a path or name that several have.
  Result<const Variable*> find(std::string_view text, FindBy by = FindBy::key) const;
  // By key, else by path, else by name.
  Result<const Variable*> find_any(std::string_view text) const;
  // The composite tensor of the variables below an object's path, or below a name: a layer that holds indices, values and dense_shape as
  // weights. Nothing where these make up none. (Keys that make one up, "x/indices" and so on, are one variable already.)
  Result<std::optional<Tensor>> read_group(std::string_view path) const;
  Result<bool> has_group(std::string_view path) const;

 private:
  struct State;
  struct Group;
  explicit Checkpoint(std::unique_ptr<State> state);
  Result<std::optional<Group>> find_group(std::string_view path) const;
  std::unique_ptr<State> state_;
};

}  // namespace ferry
