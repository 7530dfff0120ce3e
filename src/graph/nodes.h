// Gathers nodes into a table of them.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "graph/parse.h"

namespace ferry {

class NodesParser {
 public:
  Status add(graph::Piece message, const Limits& limits);
  // data_loss where two nodes have one name.
  Result<Nodes> finish() &&;

 private:
  struct Counts {
    uint32_t inputs = 0, attrs = 0;
  };
  Nodes out_;
  std::vector<Counts> counts_;  // of each node: its spans are set when nothing moves any more
};

namespace graph {

// The slot that a name has, or the free one where it would go; a slot holds a position + 1, and half of them are free.
template <class Slots, class NameOf>
auto& slot_of(Slots& slots, std::string_view name, NameOf&& name_of) {
  size_t at = std::hash<std::string_view>()(name) & (slots.size() - 1);
  while (slots[at] != 0 && name_of(slots[at] - 1) != name) at = (at + 1) & (slots.size() - 1);
  return slots[at];
}

}  // namespace graph
}  // namespace ferry
