// Plan: which variable of a model gets which tensor of a checkpoint, why, and what would have to be done where none fits.
// A pure function of two lists; nothing is read and nothing is set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/role.h"
#include "ferry/shape.h"

namespace ferry {

class RenameRules;

// A variable that a model, a SavedModel, a MetaGraph or a list asks for. Of name, path and key those that are known are set.
struct Wanted {
  std::string name;            // the variable's: "dense/kernel"
  std::string path;            // in the object graph: "model/layer-1/kernel"
  std::string key;             // that its own checkpoints keep it under
  std::optional<DType> dtype;  // nothing: any
  std::optional<Shape> shape;  // an axis of -1 takes any length; nothing: any rank
  Role role = Role::weight;
  bool optional = false;      // the model goes without
  bool of_optimizer = false;  // slots, iterations, settings: of no use without one
  std::string slot_name;      // of an optimizer's slot: "m"
  std::string slot_of;        // the key (or name) of the wanted variable that it belongs to
};

// A tensor that a checkpoint has.
struct Have {
  std::string name, path, key;
  DType dtype = DType::float32;
  Shape shape;
  Role role = Role::weight;
  std::string slot_name;
  std::string slot_of;  // the key of the tensor that it belongs to
};

enum class Verdict : uint8_t {
  by_key,     // restored: the same key
  by_path,    // restored: the same place in the object graph
  by_name,    // restored: the same variable name
  by_rule,    // restored: the same name once a rule has renamed it
  proposed,   // names differ in a way that is well known, or only one tensor could be meant: restored only where that is accepted
  missing,    // nothing fits
  shape,      // found, of another shape
  dtype,      // found, of another dtype
  ambiguous,  // several tensors could be meant
  skipped,    // an optimizer's, and slots are not asked for
};
std::string_view verdict_name(Verdict verdict);

// What is done to a tensor's elements so that they fit, in the order of the fields.
struct Fix {
  std::vector<size_t> permutation;  // transposed: axis i of the result is axis permutation[i] of the tensor
  std::optional<Shape> reshaped;    // the same elements in another shape
  bool axes_of_one = false;         // reshaped only adds or removes axes of length 1
  struct Resized {
    size_t axis;
    int64_t from, to;
    friend bool operator==(const Resized&, const Resized&) = default;
  };
  std::optional<Resized> resized;  // rows added (kept as the model has them) or cut off
  std::optional<DType> cast;
  bool lossless = true;  // what `cast` says of every value there could be

  bool empty() const { return permutation.empty() && !reshaped && !resized && !cast; }
};

// What may be done without being asked for each time.
struct Fixes {
  bool transpose = false, reshape = false, axes = false, resize = false, cast = false;
};

struct PlanOptions {
  bool slots = false;            // optimizer's slots, counters and states are wanted as much as weights
  bool accept_proposed = false;  // proposals are restored
  bool allow_partial = false;    // what is missing or does not fit stays as it is (TensorFlow's expect_partial)
  Fixes fixes = {};
  // The tensor at a path of the checkpoint's object graph, however many paths lead there. Null: paths are compared as text.
  std::function<std::optional<size_t>(std::string_view path)> find_path = {};
};

struct PlanRow {
  size_t wanted = 0;  // position in the list of wanted variables: the rows are in its order
  Verdict verdict = Verdict::missing;
  bool restored = false;           // with the options as they are
  bool required = true;            // the plan is incomplete without it
  std::optional<size_t> have;      // restored from it, or would be
  std::vector<size_t> candidates;  // of an ambiguous one
  std::optional<size_t> rule;      // position of the last rule that renamed it
  Fix fix;                         // done on the way, or what would make it fit
  std::string reason;              // a sentence for people
  std::string remedy;              // what to type, where something helps
};

enum class Use : uint8_t {
  used,
  unsettled,   // a row names it, and is not restored
  slot,        // of an optimizer, not asked for
  counter,     // not asked for
  state,       // the same
  other,       // no variable: the object graph
  unexpected,  // nobody wants it
};
std::string_view use_name(Use use);

struct PlanUse {  // one for each tensor of the checkpoint, in its order
  Use use = Use::unexpected;
  std::string reason;
};

struct Plan {
  std::vector<PlanRow> rows;
  std::vector<PlanUse> uses;
  bool allow_partial = false;

  // Every required variable is restored.
  bool complete() const;
  // complete(), or what is not is to be left alone.
  bool applicable() const { return allow_partial || complete(); }
};

// `rules` rename what the checkpoint has; null: none. Time grows with the number of names, not with its square.
Plan make_plan(std::span<const Have> have, std::span<const Wanted> wanted, const RenameRules* rules = nullptr,
               const PlanOptions& options = {});

// For people: what is restored is counted; every problem is a line, with what would solve it below. For scripts: docs/checkpoints.md has
// the schema.
struct PlanTextOptions {
  size_t most_rows = 20;                          // of each kind; 0: all
  std::string_view checkpoint = {}, target = {};  // for the JSON: what was compared
};
std::string plan_table(const Plan& plan, std::span<const Have> have, std::span<const Wanted> wanted, const PlanTextOptions& options = {});
std::string plan_json(const Plan& plan, std::span<const Have> have, std::span<const Wanted> wanted, const PlanTextOptions& options = {});

// Whether every value of `from` has its equal in `to`.
bool cast_is_lossless(DType from, DType to);

}  // namespace ferry
