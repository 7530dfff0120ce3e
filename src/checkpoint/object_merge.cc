// Two object graphs in one: objects are the same where the same names lead to them from the root.
#include <algorithm>
#include <deque>

#include "checkpoint/object_edit.h"

namespace ferry {

class ObjectEdit::Merger {
 public:
  Merger(ObjectEdit& to, const ObjectEdit& from, std::string_view first, std::string_view second)
      : to_(to), from_(from), first_(first), second_(second), there_(from.nodes_.size(), kNone), taken_(to.nodes_.size(), false) {}

  Status run(Prefer prefer, std::vector<std::string>& orphans) {
    if (from_.nodes_.empty()) return {};
    if (to_.nodes_.empty()) to_.nodes_.emplace_back(), taken_.push_back(false);
    FERRY_RETURN_IF_ERROR(match());
    add_missing();
    for (uint32_t id = 0; id < there_.size(); ++id) {
      if (there_[id] != kNone) FERRY_RETURN_IF_ERROR(merge_one(id, prefer, orphans));
    }
    return {};
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  Status pair(uint32_t from, uint32_t to, std::string_view name) {
    if (there_[from] == to) return {};
    if (there_[from] != kNone || taken_[to]) {
      return unsupported(
          concat("the objects of ", first_, " and ", second_, " do not fit: ", quoted(name),
                 " leads to an object that several names share in one of them and not in the other; write without objects (--no-objects)"));
    }
    there_[from] = to;
    taken_[to] = true;
    queue_.push_back(from);
    return {};
  }

  // Along edges, and slots of one variable and name, that both have.
  Status match() {
    FERRY_RETURN_IF_ERROR(pair(0, 0, "the root"));
    // A slot is known when its optimizer and its variable are, in whichever order: until nothing is new.
    for (bool more = true; more;) {
      while (!queue_.empty()) {
        const uint32_t id = queue_.front();
        queue_.pop_front();
        for (const Child& child : from_.nodes_[id].children) {
          if (const Child* same = to_.find_child(there_[id], child.name)) FERRY_RETURN_IF_ERROR(pair(child.node, same->node, child.name));
        }
      }
      for (uint32_t id = 0; id < there_.size(); ++id) {
        if (there_[id] == kNone) continue;
        for (const Slot& slot : from_.nodes_[id].slots) {
          if (there_[slot.original] == kNone || there_[slot.node] != kNone) continue;
          for (const Slot& other : to_.nodes_[there_[id]].slots) {
            if (other.original == there_[slot.original] && other.name == slot.name)
              FERRY_RETURN_IF_ERROR(pair(slot.node, other.node, slot.name));
          }
        }
      }
      more = !queue_.empty();
    }
    return {};
  }

  // Objects of the second that the first has not.
  void add_missing() {
    for (uint32_t id = 0; id < there_.size(); ++id) {
      if (there_[id] != kNone) continue;
      there_[id] = static_cast<uint32_t>(to_.nodes_.size());
      to_.nodes_.emplace_back();
    }
  }

  Status merge_one(uint32_t id, Prefer prefer, std::vector<std::string>& orphans) {
    const Node& from = from_.nodes_[id];
    Node& to = to_.nodes_[there_[id]];
    for (const Child& child : from.children) {
      if (to_.find_child(there_[id], child.name) == nullptr) to.children.push_back({child.name, there_[child.node]});
    }
    for (const Attribute& attribute : from.attributes) {
      const auto it = std::ranges::find(to.attributes, attribute.name, &Attribute::name);
      if (it == to.attributes.end()) {
        to.attributes.push_back(attribute);
      } else if (it->key != attribute.key) {
        if (prefer == Prefer::none) {
          return invalid_argument(concat("one object keeps its value as ", quoted(it->key), " in ", first_, " and as ",
                                         quoted(attribute.key), " in ", second_, "; choose with --prefer first or --prefer last"));
        }
        if (prefer == Prefer::second) {
          orphans.push_back(it->key);
          *it = attribute;
        } else {
          orphans.push_back(attribute.key);
        }
      }
    }
    for (const Slot& slot : from.slots) {
      const Slot moved{slot.name, there_[slot.original], there_[slot.node]};
      const bool known =
          std::ranges::any_of(to.slots, [&](const Slot& other) { return other.name == moved.name && other.original == moved.original; });
      if (!known) to.slots.push_back(moved);
    }
    if (from.saver.empty()) return {};
    if (!to.saver.empty() && (to.saver != from.saver || to.saver_key != from.saver_key)) {
      return unsupported(concat("one object has the registered saver ", quoted(to.saver), " in ", first_, " and ", quoted(from.saver),
                                " in ", second_, "; write without objects (--no-objects)"));
    }
    to.saver = from.saver;
    to.saver_key = from.saver_key;
    return {};
  }

  ObjectEdit& to_;
  const ObjectEdit& from_;
  std::string_view first_, second_;
  std::vector<uint32_t> there_;  // of each object of the second
  std::vector<bool> taken_;      // objects of the first that one of the second is
  std::deque<uint32_t> queue_;
};

Status ObjectEdit::merge(const ObjectEdit& other, std::string_view first, std::string_view second, Prefer prefer,
                         std::vector<std::string>& orphans) {
  return Merger(*this, other, first, second).run(prefer, orphans);
}

}  // namespace ferry
