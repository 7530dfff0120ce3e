// Object graphs that are changed: tensors under other keys, left out, two graphs in one. What comes out is what TensorFlow restores from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ferry/checkpoint.h"

namespace ferry {

// Keys before and after, for every tensor that stays.
using KeyMap = std::unordered_map<std::string, std::string>;

class ObjectEdit {
 public:
  explicit ObjectEdit(const ObjectGraph& graph);
  std::string bytes() const;  // TrackableObjectGraph

  // Attributes follow their tensors. Where the place of an object in a key changes ("a/b/.ATTRIBUTES/…"), the object moves with it: the
  // edge is renamed, or, where other tensors stay behind, a new one made. Attributes of tensors that are not in `keys` go, and slots
  // without any. Refused: a place that another object has, and keys of a registered saver that do not move together.
  Status move(const KeyMap& keys);

  // The objects of both, one where the same names lead to them from the root. `first` and `second` are what to call the two.
  // An object that both keep a tensor for under different keys is refused, or with `prefer` keeps the first or the second's; the
  // key that nobody then asks for is put into `orphans`.
  enum class Prefer : uint8_t { none, first, second };
  Status merge(const ObjectEdit& other, std::string_view first, std::string_view second, Prefer prefer, std::vector<std::string>& orphans);

 private:
  struct Child {
    std::string name;
    uint32_t node;
  };
  struct Attribute {
    std::string name, full_name, key;
  };
  struct Slot {
    std::string name;
    uint32_t original, node;
  };
  struct Node {
    std::vector<Child> children;
    std::vector<Attribute> attributes;
    std::vector<Slot> slots;
    std::string saver, saver_key;
  };
  class Mover;
  class Merger;

  const Child* find_child(uint32_t node, std::string_view name) const;
  std::vector<Node> nodes_;
};

}  // namespace ferry
