// SavedMetadata { repeated SavedObject nodes = 1 }
// SavedObject   { int32 node_id = 2; string node_path = 3; string identifier = 4; string metadata = 5; VersionDef version = 6 }
// metadata      { "config": { "input_layers": ["a", 0, 0] | [["a", 0, 0], …] | {"member": ["a", 0, 0]}, "layers": […] } }
#include "graph/keras_names.h"

#include <algorithm>

#include "wire/json_tree.h"
#include "wire/protobuf.h"

namespace ferry::graph {
namespace {

using json::Token;
using json::Tree;

// ["name", 0, 0]
bool is_layer(const Tree& tree) {
  return tree.is(Token::array) && tree.items.size() == 3 && tree.items[0].is(Token::string) && tree.items[1].is(Token::number) &&
         tree.items[2].is(Token::number);
}

bool gather(const Tree& tree, std::vector<std::string>& out, int depth) {
  if (depth > 20) return false;
  if (is_layer(tree)) {
    out.push_back(tree.items[0].text);
    return true;
  }
  if (tree.is(Token::array)) {
    return std::ranges::all_of(tree.items, [&](const Tree& item) { return gather(item, out, depth + 1); });
  }
  if (!tree.is(Token::object)) return false;
  std::vector<size_t> order(tree.keys.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](size_t i) { return std::string_view(tree.keys[i]); });
  return std::ranges::all_of(order, [&](size_t i) { return gather(tree.items[i], out, depth + 1); });
}

}  // namespace

std::vector<std::string> keras_input_names(std::string_view metadata) {
  const auto tree = json::parse_tree(metadata);
  if (!tree.ok()) return {};
  const Tree* config = tree->find("config");
  if (config == nullptr) return {};
  std::vector<std::string> out;
  if (const Tree* inputs = config->find("input_layers"); inputs != nullptr && gather(*inputs, out, 0)) return out;
  // A sequential model begins with its input layer.
  const Tree* layers = config->find("layers");
  if (layers == nullptr || layers->items.empty()) return {};
  const Tree* kind = layers->items[0].find("class_name");
  const Tree* settings = layers->items[0].find("config");
  const Tree* name = settings != nullptr ? settings->find("name") : nullptr;
  if (kind == nullptr || kind->text != "InputLayer" || name == nullptr || !name->is(Token::string)) return {};
  return {name->text};
}

std::string_view keras_root_metadata(std::string_view file) {
  proto::Reader in(file);
  while (in.next()) {
    if (in.tag() != proto::bytes_tag(1)) {
      in.skip();
      continue;
    }
    proto::Reader node = in.message();
    int64_t id = 0;
    std::string_view metadata;
    while (node.next()) {
      switch (node.tag()) {
        case proto::varint_tag(2): id = node.int64(); break;
        case proto::bytes_tag(5): metadata = node.text(); break;
        default: node.skip();
      }
    }
    if (id == 0 && node.ok()) return metadata;
  }
  return {};
}

}  // namespace ferry::graph
