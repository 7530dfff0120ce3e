// Tensors under other keys: which objects that moves, and where to.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "checkpoint/object_edit.h"

namespace ferry {
namespace {

constexpr std::string_view kAttributes = ".ATTRIBUTES/", kSlot = ".OPTIMIZER_SLOT";

// A key as TensorFlow makes them: the object's place, its names still escaped, and what stands behind.
struct KeyParts {
  std::vector<std::string> place;
  std::string attribute;
};

std::optional<KeyParts> parts_of(std::string_view key) {
  const size_t at = key.rfind(kAttributes);
  if (at == std::string_view::npos || (at > 0 && key[at - 1] != '/')) return std::nullopt;
  KeyParts out;
  out.attribute = key.substr(at + kAttributes.size());
  std::string_view place = key.substr(0, at == 0 ? 0 : at - 1);
  while (!place.empty()) {
    const size_t end = std::min(place.find('/'), place.size());
    out.place.emplace_back(place.substr(0, end));
    place.remove_prefix(std::min(end + 1, place.size()));
  }
  return out;
}

// ".." is '.', ".S" is '/'.
std::string unescaped(std::string_view part) {
  std::string out;
  for (size_t i = 0; i < part.size(); ++i) {
    if (part[i] == '.' && i + 1 < part.size() && (part[i + 1] == '.' || part[i + 1] == 'S')) {
      out += part[++i] == 'S' ? '/' : '.';
    } else {
      out += part[i];
    }
  }
  return out;
}

std::string joined(const std::vector<std::string>& place) {
  std::string out;
  for (const std::string& part : place) out += concat(out.empty() ? "" : "/", part);
  return out.empty() ? "the root" : concat("object '", out, "'");
}

}  // namespace

class ObjectEdit::Mover {
 public:
  Mover(ObjectEdit& graph, const KeyMap& keys) : nodes_(graph.nodes_), keys_(keys) {}

  Status run() {
    FERRY_RETURN_IF_ERROR(move_savers());
    drop_attributes();
    FERRY_RETURN_IF_ERROR(plan());
    rename_edges();
    FERRY_RETURN_IF_ERROR(check_edges());
    for (const Move& move : moves_) FERRY_RETURN_IF_ERROR(carry_out(move));
    for (Node& node : nodes_) {
      for (Attribute& attribute : node.attributes) attribute.key = keys_.at(attribute.key);
    }
    return {};
  }

 private:
  using Edge = std::pair<uint32_t, std::string>;  // the parent, and the child's name there
  struct Move {
    uint32_t node;
    std::vector<Edge> edges;  // where it is
    std::vector<std::string> from, to;
  };

  // What a registered saver writes lies under one prefix, which the graph names.
  Status move_savers() {
    for (Node& node : nodes_) {
      if (node.saver.empty() || node.saver_key.empty()) continue;
      std::optional<std::string> now;
      for (const auto& [before, after] : keys_) {
        if (!before.starts_with(node.saver_key)) continue;
        const std::string_view rest = std::string_view(before).substr(node.saver_key.size());
        const bool follows = std::string_view(after).ends_with(rest);
        const std::string prefix = follows ? after.substr(0, after.size() - rest.size()) : std::string();
        if (!follows || (now && *now != prefix)) {
          return unsupported(
              concat("the tensors under ", quoted(node.saver_key), " are those of the registered saver ", quoted(node.saver),
                     ", which finds them by that prefix; rename all of them alike, or write without objects (--no-objects)"));
        }
        now = prefix;
      }
      if (now) node.saver_key = *now;
    }
    return {};
  }

  void drop_attributes() {
    for (Node& node : nodes_) {
      std::erase_if(node.attributes, [&](const Attribute& attribute) { return !keys_.contains(attribute.key); });
    }
    for (Node& node : nodes_) {
      std::erase_if(node.slots, [&](const Slot& slot) { return nodes_[slot.node].attributes.empty() && nodes_[slot.node].saver.empty(); });
    }
  }

  // The edges along a place; nothing where it does not lead to the node.
  std::optional<std::vector<Edge>> way(const std::vector<std::string>& place, uint32_t node) const {
    std::vector<Edge> out;
    uint32_t at = 0;
    for (const std::string& part : place) {
      const std::string name = unescaped(part);
      const auto it = std::ranges::find(nodes_[at].children, name, &Child::name);
      if (it == nodes_[at].children.end()) return std::nullopt;
      out.emplace_back(at, name);
      at = it->node;
    }
    return at == node ? std::optional(out) : std::nullopt;
  }

  Status plan() {
    std::vector<Move> uneven;
    for (uint32_t id = 0; id < nodes_.size(); ++id) {
      for (const Attribute& attribute : nodes_[id].attributes) {
        const std::string& after = keys_.at(attribute.key);
        const auto from = parts_of(attribute.key), to = parts_of(after);
        if (!from) continue;
        if (!to || to->attribute != from->attribute) {
          return unsupported(concat("the key ", quoted(after), " does not end in ", quoted(concat("/", kAttributes, from->attribute)),
                                    " as ", quoted(attribute.key),
                                    " does, and TensorFlow tells by that what to do with it; keep the end, or write without "
                                    "objects (--no-objects)"));
        }
        if (std::ranges::find(from->place, kSlot) != from->place.end()) {
          rename_slot(id, from->place, to->place);
          continue;
        }
        const auto edges = way(from->place, id);
        if (!edges) continue;
        const auto& place = to->place;
        if (place.size() != edges->size()) {
          uneven.push_back({id, *edges, from->place, place});
          continue;
        }
        for (size_t i = 0; i < edges->size(); ++i) names_[(*edges)[i]].insert(unescaped(place[i]));
        even_.push_back({id, *edges, from->place, place});
      }
    }
    for (Move& move : even_) {
      if (move.from != move.to && is_torn(move)) moves_.push_back(move);
    }
    for (Move& move : uneven) moves_.push_back(std::move(move));
    return {};
  }

  // Whether some edge on the way is wanted under two names, so that this object has to leave the others.
  bool is_torn(const Move& move) const {
    return std::ranges::any_of(move.edges, [&](const Edge& edge) { return names_.at(edge).size() > 1; });
  }

  void rename_slot(uint32_t id, const std::vector<std::string>& from, const std::vector<std::string>& to) {
    if (to.empty() || from.back() == to.back() || std::ranges::find(to, kSlot) == to.end()) return;
    for (Node& node : nodes_) {
      for (Slot& slot : node.slots) {
        if (slot.node == id && slot.name == unescaped(from.back())) slot.name = unescaped(to.back());
      }
    }
  }

  void rename_edges() {
    for (const auto& [edge, names] : names_) {
      if (names.size() != 1 || *names.begin() == edge.second) continue;
      const auto it = std::ranges::find_if(nodes_[edge.first].children, [&](const Child& child) {
        return child.name == edge.second && !renamed_.contains({edge.first, child.node, child.name});
      });
      if (it == nodes_[edge.first].children.end()) continue;
      it->name = *names.begin();
      renamed_.insert({edge.first, it->node, it->name});
    }
  }

  // Two children of one name have to be one object.
  Status check_edges() {
    for (Node& node : nodes_) {
      std::ranges::stable_sort(node.children, {}, &Child::name);
      for (size_t i = 1; i < node.children.size(); ++i) {
        const Child &a = node.children[i - 1], &b = node.children[i];
        if (a.name == b.name && a.node != b.node) return taken(a.name);
      }
      const auto twice = std::ranges::unique(node.children, {}, &Child::name);
      node.children.erase(twice.begin(), twice.end());
    }
    return {};
  }
  static Status taken(std::string_view name) {
    return unsupported(concat("another object is called ", quoted(name),
                              " at the place that the renaming asks for, and stays there; rename it too, "
                              "or write without objects (--no-objects)"));
  }

  // Along the new place, making objects that are missing; the last edge leads to the node.
  Status carry_out(const Move& move) {
    if (move.to.empty())
      return unsupported(concat(joined(move.from), " would become the root of all objects; write without objects (--no-objects)"));
    uint32_t at = 0;
    for (size_t i = 0; i + 1 < move.to.size(); ++i) {
      const std::string name = unescaped(move.to[i]);
      const auto it = std::ranges::find(nodes_[at].children, name, &Child::name);
      if (it != nodes_[at].children.end()) {
        at = it->node;
        continue;
      }
      const auto fresh = static_cast<uint32_t>(nodes_.size());
      nodes_[at].children.push_back({name, fresh});
      nodes_.emplace_back();
      at = fresh;
    }
    const std::string name = unescaped(move.to.back());
    const auto it = std::ranges::find(nodes_[at].children, name, &Child::name);
    if (it == nodes_[at].children.end()) {
      nodes_[at].children.push_back({name, move.node});
    } else if (it->node != move.node) {
      return taken(name);
    }
    // It is no longer where it was, under its old name or the new one.
    if (move.edges.empty()) return {};
    const auto& [parent, old_name] = move.edges.back();
    std::erase_if(nodes_[parent].children, [&, was = parent](const Child& child) {
      return child.node == move.node && (child.name == old_name || child.name == name) && !(was == at && child.name == name);
    });
    return {};
  }

  std::vector<Node>& nodes_;
  const KeyMap& keys_;
  std::map<Edge, std::set<std::string>> names_;  // what the keys that pass along an edge want it to be called
  std::vector<Move> even_, moves_;
  std::set<std::tuple<uint32_t, uint32_t, std::string>> renamed_;
};

Status ObjectEdit::move(const KeyMap& keys) { return Mover(*this, keys).run(); }

}  // namespace ferry
