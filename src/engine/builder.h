// Builder: nodes become items, each after what it needs, and the items that are needed become a schedule's steps. Internal to the room.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/frames.h"
#include "engine/program.h"
#include "engine/schedule.h"

namespace ferry::engine {

// One output of an item. Items are what steps are made from.
struct ItemOutput {
  int32_t item = -1;
  int32_t output = 0;
};

struct Item {
  std::unique_ptr<ops::NodeInfo> info;
  ops::KernelRef kernel;
  std::vector<ItemOutput> inputs;
  std::vector<int32_t> controls;   // items that come first
  std::vector<ops::Value> folded;  // the outputs, where they are known
  size_t num_outputs = 0;
  bool is_feed = false, may_be_dead = false, is_merge = false, live = false, is_guard = false;
  uint32_t slot = 0;
};

// A node list with what its names mean: the graph itself, a function's body at one call, a frame's body.
struct Scope {
  const Nodes* nodes = nullptr;
  const Function* function = nullptr;                          // null: a graph, whose inputs are "node:1"
  std::span<const Attr> attrs;                                 // of the call, for placeholders in the body
  std::map<std::string_view, std::pair<size_t, size_t>> args;  // where an argument's ports are, and how many
  std::vector<ItemOutput> arg_ports;
  std::map<std::pair<size_t, int32_t>, ItemOutput> fed;  // tensors that the caller gives, by node and output
  std::vector<int32_t> entry;                            // items that come before everything here
  std::string prefix;
  size_t depth = 0;
  const Frames* frames = nullptr;  // null: the graph has no loops of TensorFlow 1
  int32_t frame = 0;
  struct Lowered {
    bool done = false;
    std::vector<ItemOutput> outputs;
    const ops::NodeInfo* info = nullptr;  // names the outputs
    int32_t item = -1;                    // what to wait for; -1: nothing
    std::vector<int32_t> after;           // of an inlined call
  };
  std::vector<Lowered> lowered;
  // Of a frame's body.
  std::vector<size_t> merges;                                // nodes, in the order of feeds
  std::vector<size_t> constants;                             // Enter nodes
  std::map<size_t, ItemOutput> merge_ports, constant_ports;  // by node
};

class Builder {
 public:
  Builder(Program& program, Schedule& schedule, Problems& problems) : program_(program), schedule_(schedule), problems_(problems) {}

  ItemOutput add_feed();
  Status lower(Scope& scope, std::vector<size_t> wanted);
  Result<ItemOutput> port_of(Scope& scope, std::string_view text, size_t user);
  void fetch(ItemOutput port) { fetches_.push_back(port); }
  void target(const Scope& scope, size_t node);
  void targets(std::span<const int32_t> items) { targets_.insert(targets_.end(), items.begin(), items.end()); }
  Status emit();
  Status lower_function(const Function& function, std::span<const Attr> attrs, std::vector<ItemOutput> args, std::vector<int32_t> entry,
                        size_t depth, std::string prefix, std::vector<ItemOutput>& results, std::vector<int32_t>& after);

 private:
  Status lower_node(Scope& scope, size_t index);
  Status lower_call(Scope& scope, size_t index, const Node& node, std::unique_ptr<ops::NodeInfo> info, std::vector<ItemOutput> inputs,
                    std::vector<int32_t> controls, const FunctionCall& call, const Function& function);
  Status lower_frame(Scope& scope, int32_t frame);
  static Result<std::vector<Attr>> resolved(const Scope& scope, std::span<const Attr> attrs);
  Result<std::unique_ptr<ops::NodeInfo>> info_of(const Scope& scope, const Node& node, const Function** callee, std::vector<Attr>& own);
  std::vector<int32_t> controls_of(const Scope& scope, size_t index) const;
  void finish_item(Item item, Scope::Lowered& lowered, const ops::Op* op);
  bool is_constant(ItemOutput port) const { return !items_[static_cast<size_t>(port.item)].folded.empty(); }
  const ops::Value& constant(ItemOutput port) const {
    return items_[static_cast<size_t>(port.item)].folded[static_cast<size_t>(port.output)];
  }
  void problem(const Scope& scope, const Node& node, const Status& status) {
    problems_.others.push_back(concat("node ", quoted(scope.prefix + std::string(node.name)), " (", node.op, "): ", status.message()));
  }
  void fold(Item& item);
  bool is_ref(ItemOutput port) const;

  Program& program_;
  Schedule& schedule_;
  Problems& problems_;
  std::vector<Item> items_;
  std::vector<int32_t> feeds_;
  std::vector<ItemOutput> fetches_;
  std::vector<int32_t> targets_;
  std::vector<std::unique_ptr<ops::NodeInfo>> infos_;  // of calls that are inlined: names of their outputs
};

}  // namespace ferry::engine
