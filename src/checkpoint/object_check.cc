#include <set>

#include "ferry/checkpoint.h"

namespace ferry {
namespace {

constexpr size_t kMostSaid = 100;  // of each kind

// Sentences of one kind: the first hundred, and how many more there are.
class Sentences {
 public:
  Sentences(std::vector<ObjectFinding>& out, bool broken) : out_(out), broken_(broken) {}
  ~Sentences() {
    if (count_ > kMostSaid) out_.push_back({broken_, concat("and ", count_ - kMostSaid, " more like this")});
  }
  template <class... Pieces>
  void say(const Pieces&... pieces) {
    if (count_++ < kMostSaid) out_.push_back({broken_, concat(pieces...)});
  }

 private:
  std::vector<ObjectFinding>& out_;
  bool broken_;
  size_t count_ = 0;
};

// An object for a message.
std::string words_for(const ObjectGraph& objects, uint32_t id) {
  constexpr size_t kReadable = 1000;
  if (id == 0) return "the root";
  if (objects.path_size(id) < kReadable) {
    if (const auto path = objects.path_of(id)) return concat("object ", id, " (", quoted(*path), ")");
  }
  return concat("object ", id);
}

}  // namespace

std::vector<ObjectFinding> check_objects(const ObjectGraph& objects, const TensorReader& arrays) {
  std::vector<ObjectFinding> out;
  for (const std::string& problem : objects.problems()) out.push_back({true, problem});
  if (objects.size() == 0) out.push_back({true, "the object graph has no root"});

  std::set<std::string_view> keys;
  for (const TensorInfo& info : arrays.tensors()) keys.insert(info.name);
  // Variants, which the reader cannot give: "NAME (variant), NAME (resource)".
  if (const std::string* text = arrays.metadata().find("ckpt.skipped")) {
    std::string_view rest = *text;
    for (size_t end; (end = rest.find(" (")) != std::string_view::npos;) {
      keys.insert(rest.substr(0, end));
      const size_t next = rest.find("), ", end);
      rest.remove_prefix(next == std::string_view::npos ? rest.size() : next + 3);
    }
  }
  const auto held = [&](const ObjectAttribute& attribute) {
    if (keys.contains(attribute.key)) return true;
    const auto it = keys.lower_bound(attribute.key);
    return it != keys.end() && it->starts_with(attribute.key) && objects.find_key(*it).has_value() && attribute.name != "VARIABLE_VALUE";
  };
  {
    Sentences missing(out, true), empty(out, true), slots(out, false);
    for (uint32_t id = 0; id < objects.size(); ++id) {
      const ObjectNode node = objects.node(id);
      for (const ObjectAttribute& attribute : node.attributes) {
        if (attribute.key.empty()) {
          empty.say(words_for(objects, id), " names no key for its ", quoted(attribute.name));
        } else if (!held(attribute)) {
          missing.say(words_for(objects, id), " keeps its ", quoted(attribute.name), " under the key ", quoted(attribute.key),
                      ", which the checkpoint does not hold");
        }
      }
      for (const ObjectSlot& slot : node.slots) {
        const ObjectNode of = objects.node(slot.node);
        if (of.attributes.empty() && of.saver.empty()) {
          slots.say("the slot ", quoted(slot.name), " of ", words_for(objects, id), " for ", words_for(objects, slot.original),
                    " is object ", slot.node, ", which keeps nothing");
        }
      }
    }
  }
  std::vector<std::string_view> savers;
  for (uint32_t id = 0; id < objects.size(); ++id) {
    if (const ObjectNode node = objects.node(id); !node.saver.empty()) savers.push_back(node.saver_key);
  }
  // What a registered saver writes is its own business, and which keys are its own nobody else knows for sure.
  if (savers.empty()) {
    Sentences unnamed(out, false);
    for (const TensorInfo& info : arrays.tensors()) {
      if (info.name != ObjectGraph::kKey && !objects.find_key(info.name)) unnamed.say("no object names the key ", quoted(info.name));
    }
  }
  return out;
}

}  // namespace ferry
