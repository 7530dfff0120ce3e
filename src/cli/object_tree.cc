#include "cli/object_tree.h"

#include <unordered_map>

#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr size_t kMostDepth = 60;  // of a tree on a screen

std::string words_for(const ObjectGraph& objects, uint32_t id, const std::unordered_map<std::string_view, const TensorInfo*>& tensors) {
  const ObjectNode node = objects.node(id);
  std::string out;
  const auto add = [&](std::string_view text) { out += concat(out.empty() ? "" : ", ", text); };
  if (objects.is_optimizer(id)) add("optimizer");
  for (const ObjectAttribute& attribute : node.attributes) {
    const auto it = tensors.find(attribute.key);
    std::string text = attribute.name == "VARIABLE_VALUE" ? std::string() : printable(attribute.name);
    if (it != tensors.end()) text += concat(text.empty() ? "" : " ", dtype_name(it->second->dtype), " ", shape_text(it->second->shape));
    if (!attribute.full_name.empty()) text += concat(text.empty() ? "" : "  ", printable(attribute.full_name));
    add(text);
  }
  if (!node.slots.empty()) add(counted(node.slots.size(), "slot"));
  if (!node.saver.empty()) add(concat("saved by ", printable(node.saver)));
  return out;
}

bool is_bare(const ObjectNode& node) {
  return node.children.empty() && node.attributes.empty() && node.slots.empty() && node.saver.empty();
}

}  // namespace

void print_objects(Printer& out, const ObjectGraph& objects, std::span<const TensorInfo> infos) {
  if (objects.size() == 0) return;
  std::unordered_map<std::string_view, const TensorInfo*> tensors;
  for (const TensorInfo& info : infos) tensors.emplace(info.name, &info);
  std::vector<bool> shown(objects.size());
  size_t bare = 0;
  struct Level {
    uint32_t node;
    size_t next;
  };
  std::vector<Level> levels{{0, 0}};
  shown[0] = true;
  const std::string root = words_for(objects, 0, tensors);
  out.print("root", root.empty() ? "" : ": ", root, "\n");
  while (!levels.empty() && !out.failed()) {
    Level& at = levels.back();
    const auto children = objects.node(at.node).children;
    if (at.next == children.size()) {
      levels.pop_back();
      continue;
    }
    const ObjectChild& child = children[at.next++];
    const ObjectNode node = objects.node(child.node);
    if (is_bare(node)) {
      ++bare;
      continue;
    }
    out.pad(2 * levels.size());
    out.print(printable(child.name));
    if (shown[child.node]) {
      const auto path = objects.path_of(child.node);
      out.print(" → ", child.node == 0 ? std::string("root") : path ? printable(*path) : concat("object ", child.node), "\n");
      continue;
    }
    shown[child.node] = true;
    const std::string words = words_for(objects, child.node, tensors);
    out.print(words.empty() ? "" : ": ", words);
    const bool deeper = levels.size() < kMostDepth;
    out.print(deeper || node.children.empty() ? "" : " …", "\n");
    if (deeper) levels.push_back({child.node, 0});
  }
  if (bare > 0) out.print("(", bare, " more that keep nothing)\n");
}

void print_objects(JsonText& json, const ObjectGraph& objects) {
  json.begin_list();
  for (uint32_t id = 0; id < objects.size(); ++id) {
    const ObjectNode node = objects.node(id);
    json.begin_object().member("id", id).key("path");
    if (const auto path = objects.path_of(id)) {
      json.text(*path);
    } else {
      json.null();
    }
    json.member("optimizer", objects.is_optimizer(id));
    json.key("children").begin_object();
    for (const ObjectChild& child : node.children) json.member(child.name, child.node);
    json.end_object().key("attributes").begin_list();
    for (const ObjectAttribute& attribute : node.attributes) {
      json.begin_object().member("name", attribute.name).member("full_name", attribute.full_name).member("key", attribute.key).end_object();
    }
    json.end_list().key("slots").begin_list();
    for (const ObjectSlot& slot : node.slots) {
      json.begin_object().member("name", slot.name).member("original", slot.original).member("id", slot.node).end_object();
    }
    json.end_list();
    if (!node.saver.empty()) json.member("saver", node.saver).member("saver_key", node.saver_key);
    json.end_object();
  }
  json.end_list();
}

}  // namespace ferry::cli
