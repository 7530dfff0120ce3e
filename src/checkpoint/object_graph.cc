// TrackableObjectGraph, field numbers as TensorFlow's trackable_object_graph.proto:
//
//   TrackableObjectGraph   { repeated TrackableObject nodes = 1 }
//   TrackableObject        { repeated ObjectReference children = 1; repeated SerializedTensor attributes = 2;
//                            repeated SlotVariableReference slot_variables = 3; RegisteredSaver registered_saver = 4; 5: has values }
//   ObjectReference        { int32 node_id = 1; string local_name = 2 }
//   SerializedTensor       { string name = 1; string full_name = 2; string checkpoint_key = 3 }
//   SlotVariableReference  { int32 original_variable_node_id = 1; string slot_name = 2; int32 slot_variable_node_id = 3 }
//   RegisteredSaver        { string name = 1; string object_name = 2 }
#include <algorithm>
#include <numeric>

#include "checkpoint/optimizers.h"
#include "ferry/checkpoint.h"
#include "wire/protobuf.h"

namespace ferry {
namespace {

using proto::bytes_tag;
using proto::varint_tag;

constexpr size_t kMostProblems = 100;
constexpr std::string_view kSlotWay = "/.OPTIMIZER_SLOT/";

size_t escaped_size(std::string_view name) {
  return name.size() + static_cast<size_t>(std::ranges::count_if(name, [](char c) { return c == '.' || c == '/'; }));
}

void append_escaped(std::string& out, std::string_view name) {
  for (const char c : name) {
    if (c == '.') {
      out += "..";
    } else if (c == '/') {
      out += ".S";
    } else {
      out += c;
    }
  }
}

bool is_escaped(std::string_view part, std::string_view name) {
  if (part.size() < name.size() || part.size() != escaped_size(name)) return false;
  if (part == name) return true;
  std::string escaped;
  append_escaped(escaped, name);
  return escaped == part;
}

ObjectChild read_child(proto::Reader in, Status& status) {
  ObjectChild out{{}, 0};
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(1): out.node = static_cast<uint32_t>(in.int32()); break;
      case bytes_tag(2): out.name = in.text(); break;
      default: in.skip();
    }
  }
  if (!in.ok()) status = in.status();
  return out;
}

ObjectAttribute read_attribute(proto::Reader in, Status& status) {
  ObjectAttribute out;
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): out.name = in.text(); break;
      case bytes_tag(2): out.full_name = in.text(); break;
      case bytes_tag(3): out.key = in.text(); break;
      default: in.skip();
    }
  }
  if (!in.ok()) status = in.status();
  return out;
}

ObjectSlot read_slot(proto::Reader in, Status& status) {
  ObjectSlot out{{}, 0, 0};
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(1): out.original = static_cast<uint32_t>(in.int32()); break;
      case bytes_tag(2): out.name = in.text(); break;
      case varint_tag(3): out.node = static_cast<uint32_t>(in.int32()); break;
      default: in.skip();
    }
  }
  if (!in.ok()) status = in.status();
  return out;
}

std::pair<std::string_view, std::string_view> read_saver(proto::Reader in, Status& status) {
  std::pair<std::string_view, std::string_view> out;
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): out.first = in.text(); break;
      case bytes_tag(2): out.second = in.text(); break;
      default: in.skip();
    }
  }
  if (!in.ok()) status = in.status();
  return out;
}

bool has_several_keys(const ObjectAttribute& attribute) {
  return attribute.name != "VARIABLE_VALUE" && attribute.key.find(".ATTRIBUTES/") != std::string_view::npos;
}

int64_t as_id(uint32_t id) { return static_cast<int32_t>(id); }

}  // namespace

void ObjectGraph::note(std::string problem) {
  if (problems_.size() < kMostProblems) {
    problems_.push_back(std::move(problem));
  } else {
    ++more_problems_;
  }
}

Result<ObjectGraph> ObjectGraph::parse(Buffer message, const Limits& limits) {
  ObjectGraph out;
  out.message_ = std::move(message);
  // Numbers of nodes and references are kept in 32 bits.
  const uint64_t most = std::min<uint64_t>(limits.max_tensors, UINT32_MAX - 2);
  proto::Reader in(out.message_.bytes());
  Status status;
  while (status.ok() && in.next()) {
    if (in.tag() != bytes_tag(1)) {
      in.skip();
      continue;
    }
    if (out.size() >= most) return limit_exceeded(concat("an object graph of more than ", most, " objects (max_tensors)"));
    const auto id = static_cast<uint32_t>(out.size());
    proto::Reader node = in.message();
    while (status.ok() && node.next()) {
      switch (node.tag()) {
        case bytes_tag(1): out.children_.push_back(read_child(node.message(), status)); break;
        case bytes_tag(2):
          out.attributes_.push_back(read_attribute(node.message(), status));
          out.attribute_nodes_.push_back(id);
          break;
        case bytes_tag(3): out.slots_.push_back(read_slot(node.message(), status)); break;
        case bytes_tag(4): {
          const auto [name, key] = read_saver(node.message(), status);
          if (!out.savers_.empty() && out.savers_.back().node == id) out.savers_.pop_back();
          out.savers_.push_back({id, name, key});
          break;
        }
        default: node.skip();
      }
      if (out.children_.size() > most || out.attributes_.size() > most || out.slots_.size() > most)
        return limit_exceeded(concat("an object graph of more than ", most, " references (max_tensors)"));
    }
    if (status.ok()) status = node.status();
    if (!status.ok()) break;
    Record& end = out.nodes_.emplace_back();
    end.children = static_cast<uint32_t>(out.children_.size());
    end.attributes = static_cast<uint32_t>(out.attributes_.size());
    end.slots = static_cast<uint32_t>(out.slots_.size());
  }
  if (status.ok()) status = in.status();
  if (!status.ok()) return status.nested("object graph");
  out.drop_dangling();
  out.by_key_.resize(out.attributes_.size());
  std::iota(out.by_key_.begin(), out.by_key_.end(), 0u);
  std::ranges::stable_sort(out.by_key_, {}, [&](uint32_t i) { return out.attributes_[i].key; });
  out.find_optimizers();
  out.find_ways(limits);
  if (out.more_problems_ > 0) out.problems_.push_back(concat("and ", out.more_problems_, " more"));
  return out;
}

// References by id may point forward, so that they are looked at when all nodes are there.
void ObjectGraph::drop_dangling() {
  const auto count = static_cast<uint32_t>(size());
  uint32_t child = 0, slot = 0;  // kept so far
  for (uint32_t id = 0; id < count; ++id) {
    const uint32_t first_child = nodes_[id].children, end_child = nodes_[id + 1].children;
    const uint32_t first_slot = nodes_[id].slots, end_slot = nodes_[id + 1].slots;
    nodes_[id].children = child;
    nodes_[id].slots = slot;
    for (uint32_t i = first_child; i < end_child; ++i) {
      if (children_[i].node < count) {
        children_[child++] = children_[i];
      } else {
        note(concat("the child ", quoted(children_[i].name), " of object ", id, " is object ", as_id(children_[i].node), ", and there are ",
                    count));
      }
    }
    for (uint32_t i = first_slot; i < end_slot; ++i) {
      const ObjectSlot& at = slots_[i];
      if (at.original < count && at.node < count) {
        slots_[slot++] = at;
      } else {
        note(concat("the slot ", quoted(at.name), " of object ", id, " is object ", as_id(at.node), " beside object ", as_id(at.original),
                    ", and there are ", count));
      }
    }
  }
  nodes_[count].children = child;
  nodes_[count].slots = slot;
  children_.resize(child);
  slots_.resize(slot);
}

ObjectNode ObjectGraph::node(uint32_t id) const {
  const Record &at = nodes_[id], &next = nodes_[id + 1];
  ObjectNode out;
  out.children = std::span(children_).subspan(at.children, next.children - at.children);
  out.attributes = std::span(attributes_).subspan(at.attributes, next.attributes - at.attributes);
  out.slots = std::span(slots_).subspan(at.slots, next.slots - at.slots);
  const auto it = std::ranges::lower_bound(savers_, id, {}, &Saver::node);
  if (it != savers_.end() && it->node == id) {
    out.saver = it->name;
    out.saver_key = it->key;
  }
  return out;
}

void ObjectGraph::find_optimizers() {
  for (uint32_t id = 0; id < size(); ++id) {
    const ObjectNode at = node(id);
    if (looks_like_optimizer(at)) nodes_[id].optimizer = true;
    for (const ObjectChild& child : at.children) {
      if (child.node != 0 && is_optimizer_name(child.name) && may_be_optimizer(node(child.node))) nodes_[child.node].optimizer = true;
    }
  }
  // One that scales losses for another.
  for (uint32_t id = 0; id < size(); ++id) {
    const ObjectNode at = node(id);
    if (!nodes_[id].optimizer && wraps_optimizer(at, [&](uint32_t child) { return nodes_[child].optimizer; })) nodes_[id].optimizer = true;
  }
}

// Breadth first, so that the first way found is a shortest one; optimizers wait until all that can be reached without them is.
void ObjectGraph::find_ways(const Limits& limits) {
  if (size() == 0) return;
  std::vector<uint32_t> queue, waiting;
  nodes_[0].way = Way::root;
  if (nodes_[0].optimizer) nodes_[0].owner = 0;
  queue.push_back(0);
  const auto follow = [&](uint32_t id, bool through_optimizers) {
    const Record& from = nodes_[id];
    for (uint32_t edge = from.children; edge < nodes_[id + 1].children; ++edge) {
      const ObjectChild& child = children_[edge];
      Record& to = nodes_[child.node];
      if (to.way != Way::none) continue;
      const size_t size = from.path_size + (id == 0 ? 0 : 1) + escaped_size(child.name);
      if (size > limits.max_name_bytes) continue;
      to.way = Way::child;
      to.parent = id;
      to.edge = edge;
      to.path_size = static_cast<uint32_t>(size);
      to.owner = from.owner;
      if (to.optimizer) to.owner = child.node;
      if (to.optimizer && !through_optimizers) {
        waiting.push_back(child.node);
      } else {
        queue.push_back(child.node);
      }
    }
  };
  for (size_t i = 0; i < queue.size(); ++i) follow(queue[i], nodes_[0].optimizer);
  queue = std::move(waiting);
  for (size_t i = 0; i < queue.size(); ++i) follow(queue[i], true);

  // A slot hangs on no other object.
  for (uint32_t id = 0; id < size(); ++id) {
    const Record& optimizer = nodes_[id];
    if (optimizer.way != Way::root && optimizer.way != Way::child) continue;
    for (uint32_t edge = optimizer.slots; edge < nodes_[id + 1].slots; ++edge) {
      const ObjectSlot& slot = slots_[edge];
      const Record& original = nodes_[slot.original];
      Record& to = nodes_[slot.node];
      if (to.way != Way::none || (original.way != Way::root && original.way != Way::child)) continue;
      const size_t size = size_t{original.path_size} + kSlotWay.size() + optimizer.path_size + 1 + escaped_size(slot.name);
      if (size > limits.max_name_bytes) continue;
      to.way = Way::slot;
      to.parent = id;
      to.edge = edge;
      to.path_size = static_cast<uint32_t>(size);
      to.owner = id;
    }
  }
}

std::optional<uint32_t> ObjectGraph::optimizer_of(uint32_t id) const {
  if (nodes_[id].owner == kNone) return std::nullopt;
  return nodes_[id].owner;
}

size_t ObjectGraph::path_size(uint32_t id) const { return nodes_[id].path_size; }

std::optional<std::string> ObjectGraph::path_of(uint32_t id) const {
  const Record& at = nodes_[id];
  if (at.way == Way::none) return std::nullopt;
  std::string out;
  out.reserve(at.path_size);
  if (at.way == Way::slot) {
    const ObjectSlot& slot = slots_[at.edge];
    out = concat(*path_of(slot.original), kSlotWay, *path_of(at.parent), "/");  // neither is a slot
    append_escaped(out, slot.name);
    return out;
  }
  std::vector<uint32_t> edges;
  for (uint32_t up = id; nodes_[up].way == Way::child; up = nodes_[up].parent) edges.push_back(nodes_[up].edge);
  for (size_t i = edges.size(); i-- > 0;) {
    append_escaped(out, children_[edges[i]].name);
    if (i > 0) out += '/';
  }
  return out;
}

std::optional<uint32_t> ObjectGraph::find(std::string_view path) const {
  const size_t at = path.find(kSlotWay);
  if (at == std::string_view::npos) return find_child(path);
  // The last part is the slot's name, what stands before it the optimizer's path.
  const std::string_view rest = path.substr(at + kSlotWay.size());
  const size_t slash = rest.rfind('/');
  const auto original = find_child(path.substr(0, at));
  const auto optimizer = find_child(rest.substr(0, slash == std::string_view::npos ? 0 : slash));
  if (!original || !optimizer) return std::nullopt;
  for (const ObjectSlot& slot : node(*optimizer).slots) {
    if (slot.original == *original && is_escaped(rest.substr(slash + 1), slot.name)) return slot.node;  // npos + 1 is 0
  }
  return std::nullopt;
}

std::optional<uint32_t> ObjectGraph::find_child(std::string_view path) const {
  if (size() == 0) return std::nullopt;
  if (path.empty()) return 0;
  uint32_t id = 0;
  for (size_t from = 0; from <= path.size();) {  // names may be empty, the last one too
    const std::string_view part = path.substr(from, path.find('/', from) - from);
    const auto children = node(id).children;
    const auto it = std::ranges::find_if(children, [&](const ObjectChild& child) { return is_escaped(part, child.name); });
    if (it == children.end()) return std::nullopt;
    id = it->node;
    from += part.size() + 1;
  }
  return id;
}

std::optional<std::pair<uint32_t, size_t>> ObjectGraph::find_key(std::string_view key) const {
  const auto key_of = [&](uint32_t i) { return attributes_[i].key; };
  const auto found = [&](uint32_t i) {
    const uint32_t node = attribute_nodes_[i];
    return std::pair(node, size_t{i} - nodes_[node].attributes);
  };
  const auto it = std::ranges::lower_bound(by_key_, key, {}, key_of);
  if (it != by_key_.end() && key_of(*it) == key) return found(*it);
  // The longest of those that begin it: what is not below it in the order and no beginning of it has at least a beginning in common.
  std::string_view rest = key;
  for (auto end = it; end != by_key_.begin();) {
    const uint32_t before = *(end - 1);
    const std::string_view other = key_of(before);
    if (rest.starts_with(other)) {
      if (has_several_keys(attributes_[before])) return found(before);
      if (other.empty()) return std::nullopt;
      rest = other.substr(0, other.size() - 1);
    } else {
      rest = rest.substr(0, static_cast<size_t>(std::ranges::mismatch(rest, other).in1 - rest.begin()));
    }
    end = std::upper_bound(by_key_.begin(), end - 1, rest, [&](std::string_view text, uint32_t i) { return text < key_of(i); });
  }
  return std::nullopt;
}

}  // namespace ferry
