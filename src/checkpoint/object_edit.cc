#include "checkpoint/object_edit.h"

#include <algorithm>

#include "wire/protobuf.h"

namespace ferry {

ObjectEdit::ObjectEdit(const ObjectGraph& graph) {
  for (uint32_t id = 0; id < graph.size(); ++id) {
    const ObjectNode from = graph.node(id);
    Node& to = nodes_.emplace_back();
    for (const ObjectChild& child : from.children) to.children.push_back({std::string(child.name), child.node});
    for (const ObjectAttribute& attribute : from.attributes)
      to.attributes.push_back({std::string(attribute.name), std::string(attribute.full_name), std::string(attribute.key)});
    for (const ObjectSlot& slot : from.slots) to.slots.push_back({std::string(slot.name), slot.original, slot.node});
    to.saver = from.saver;
    to.saver_key = from.saver_key;
  }
}

// Field 5 (whether there are values below) only saves TensorFlow a look; without it it looks.
std::string ObjectEdit::bytes() const {
  std::string out, node, message;
  for (const Node& from : nodes_) {
    node.clear();
    for (const Child& child : from.children) {
      message.clear();
      if (child.node != 0) proto::append_varint_field(message, 1, child.node);
      proto::append_bytes_field(message, 2, child.name);
      proto::append_bytes_field(node, 1, message);
    }
    for (const Attribute& attribute : from.attributes) {
      message.clear();
      proto::append_bytes_field(message, 1, attribute.name);
      if (!attribute.full_name.empty()) proto::append_bytes_field(message, 2, attribute.full_name);
      proto::append_bytes_field(message, 3, attribute.key);
      proto::append_bytes_field(node, 2, message);
    }
    for (const Slot& slot : from.slots) {
      message.clear();
      if (slot.original != 0) proto::append_varint_field(message, 1, slot.original);
      proto::append_bytes_field(message, 2, slot.name);
      if (slot.node != 0) proto::append_varint_field(message, 3, slot.node);
      proto::append_bytes_field(node, 3, message);
    }
    if (!from.saver.empty()) {
      message.clear();
      proto::append_bytes_field(message, 1, from.saver);
      proto::append_bytes_field(message, 2, from.saver_key);
      proto::append_bytes_field(node, 4, message);
    }
    proto::append_bytes_field(out, 1, node);
  }
  return out;
}

const ObjectEdit::Child* ObjectEdit::find_child(uint32_t node, std::string_view name) const {
  const auto& children = nodes_[node].children;
  const auto it = std::ranges::find(children, name, &Child::name);
  return it == children.end() ? nullptr : &*it;
}

}  // namespace ferry
