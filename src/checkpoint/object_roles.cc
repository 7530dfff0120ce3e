#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "checkpoint/optimizers.h"
#include "checkpoint/roles.h"

namespace ferry {
namespace {

constexpr std::string_view kValue = "VARIABLE_VALUE", kAttributes = "/.ATTRIBUTES/";
// Paths may be long where the graph is short: of a chain of objects each one's is as long as all before it.
constexpr uint64_t kFreePathBytes = uint64_t{64} << 20, kPathBytes = 256;

// What is known of a variable by where its optimizer keeps it.
struct Kept {
  std::string_view list;  // "_momentums"; of a slot that is told as one, its name
  std::optional<uint32_t> original;
  bool is_slot = false, is_own = false;  // own: an attribute of the optimizer itself
};

struct Optimizers {
  std::unordered_map<uint32_t, Kept> places;
  std::unordered_set<uint32_t> trained;  // what they list as the model's variables
};

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Lists of all an optimizer's variables, or of the model's: that something is in them tells nothing.
bool is_list_of_all(std::string_view name) { return name == "_variables" || name == "variables" || name == "_trainable_variables"; }

void look_into(const ObjectGraph& objects, uint32_t id, Optimizers& out) {
  const ObjectNode optimizer = objects.node(id);
  std::unordered_map<std::string_view, uint32_t> trained;  // by position
  for (const ObjectChild& child : optimizer.children) {
    if (child.name != "_trainable_variables") continue;
    for (const ObjectChild& variable : objects.node(child.node).children) {
      trained.emplace(variable.name, variable.node);
      out.trained.insert(variable.node);
    }
  }
  for (const ObjectChild& child : optimizer.children) {
    const ObjectNode at = objects.node(child.node);
    if (!at.attributes.empty()) {
      Kept& kept = out.places[child.node];
      kept.list = child.name;
      kept.is_own = true;
    } else if (!is_list_of_all(child.name) && !objects.is_optimizer(child.node)) {
      for (const ObjectChild& variable : at.children) {
        if (!is_number(variable.name) || out.places.contains(variable.node)) continue;
        Kept kept{.list = child.name, .original = std::nullopt};
        if (const auto it = trained.find(variable.name); it != trained.end()) kept.original = it->second;
        out.places.emplace(variable.node, kept);
      }
    }
  }
  for (const ObjectSlot& slot : optimizer.slots) out.places[slot.node] = {.list = slot.name, .original = slot.original, .is_slot = true};
}

bool has_part(std::string_view path, std::string_view part) {
  for (size_t at = path.find(part); at != std::string_view::npos; at = path.find(part, at + 1)) {
    const size_t end = at + part.size();
    if ((at == 0 || path[at - 1] == '/') && (end == path.size() || path[end] == '/')) return true;
  }
  return false;
}

// Of a variable that no optimizer keeps.
Role model_role(const TensorInfo& info, std::string_view path, std::string_view name) {
  const std::string_view last = last_part(path);
  if (is_scalar(info) && is_whole_number(info.dtype) && is_counter_name(last)) return Role::counter;
  for (const std::string_view part :
       {"metrics", "_metrics", "compile_metrics", "_compile_metrics", "loss_tracker", "_loss_tracker", "keras_metrics"}) {
    if (has_part(path, part)) return Role::state;
  }
  if (last == "_state_var" || last_part(name) == "seed_generator_state") return Role::state;
  for (const std::string_view part : {"seed_generator", "_seed_generator", "_random_generator"}) {
    if (has_part(path, part)) return Role::state;
  }
  return Role::weight;
}

Role optimizer_role(const TensorInfo& info, const Kept* kept, std::string_view path) {
  const std::string_view last = last_part(path);
  if (kept != nullptr && kept->is_slot) return Role::slot;
  if (kept != nullptr && kept->is_own) return is_counter_name(kept->list) ? Role::counter : is_scalar(info) ? Role::state : Role::slot;
  if (kept != nullptr) return Role::slot;
  if (is_scalar(info) && is_counter_name(last)) return Role::counter;
  return is_scalar(info) && is_setting_name(last) ? Role::state : Role::slot;
}

std::string_view value_key(const ObjectGraph& objects, uint32_t node) {
  for (const ObjectAttribute& attribute : objects.node(node).attributes) {
    if (attribute.name == kValue) return attribute.key;
  }
  return {};
}

// Keras 3 calls the momentum of "dense/kernel" "adam/dense_kernel_momentum".
std::string_view after_flat_name(std::string_view slot, std::string_view original) {
  slot = last_part(slot);
  if (slot.size() <= original.size() + 1 || slot[original.size()] != '_') return {};
  const auto flat = [](char c) { return c == '/' ? '_' : c; };
  if (!std::ranges::equal(slot.substr(0, original.size()), original, {}, flat, flat)) return {};
  return slot.substr(original.size() + 1);
}

std::string flat_name(std::string_view name) {
  std::string out(name);
  std::ranges::replace(out, '/', '_');
  return out;
}

// The same where no list tells which variable it is beside: by the longest of the flat names that it begins with.
std::optional<std::pair<size_t, std::string_view>> find_flat(const std::unordered_map<std::string, size_t>& weights,
                                                             std::string_view slot) {
  constexpr int kMostParts = 8;  // of a slot's own name
  slot = last_part(slot);
  size_t end = slot.rfind('_');
  for (int i = 0; i < kMostParts && end != std::string_view::npos && end > 0; ++i, end = slot.rfind('_', end - 1)) {
    const auto it = weights.find(std::string(slot.substr(0, end)));
    if (it != weights.end() && end + 1 < slot.size()) return std::pair(it->second, slot.substr(end + 1));
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<bool>> roles_by_objects(const ObjectGraph& objects, std::span<const TensorInfo> tensors, std::span<Variable> variables) {
  Optimizers optimizers;
  for (uint32_t id = 0; id < objects.size(); ++id) {
    if (objects.is_optimizer(id)) look_into(objects, id, optimizers);
  }
  std::vector<bool> done(variables.size());
  std::vector<const ObjectAttribute*> attributes(variables.size());
  uint64_t path_bytes = 0;
  const uint64_t most = kFreePathBytes + kPathBytes * variables.size();
  std::unordered_map<std::string_view, size_t> by_key, by_name;
  for (size_t i = 0; i < variables.size(); ++i) {
    Variable& at = variables[i];
    if (at.key == ObjectGraph::kKey) {
      at.role = Role::other;
      at.name = at.key;
      done[i] = true;
      continue;
    }
    const auto found = objects.find_key(at.key);
    if (!found) continue;
    done[i] = true;
    const auto [node, position] = *found;
    const ObjectAttribute& attribute = *(attributes[i] = &objects.node(node).attributes[position]);
    at.node = node;
    path_bytes += objects.path_size(node) + attribute.name.size() + at.key.size();
    if (path_bytes > most) return limit_exceeded(concat("the paths of the objects together have more than ", most, " bytes"));
    if (auto path = objects.path_of(node)) at.path = *std::move(path);
    at.name = attribute.full_name.empty() ? at.path : std::string(attribute.full_name);
    const auto it = optimizers.places.find(node);
    const Kept* const kept = it == optimizers.places.end() ? nullptr : &it->second;
    const bool in_optimizer = objects.optimizer_of(node).has_value() || (kept != nullptr && kept->is_slot);
    if (attribute.name != kValue) {
      at.path += concat(kAttributes, attribute.name, std::string_view(at.key).substr(attribute.key.size()));
      at.role = attribute.name.starts_with("OBJECT_") ? Role::other : Role::state;
      at.of_optimizer = in_optimizer;
    } else if (in_optimizer && !optimizers.trained.contains(node)) {
      at.role = optimizer_role(tensors[i], kept, at.path);
      at.of_optimizer = true;
    } else {
      at.role = model_role(tensors[i], at.path, at.name);
    }
    by_key.emplace(at.key, i);
    if (at.role == Role::weight) by_name.emplace(at.name, i);
  }
  std::unordered_map<std::string, size_t> by_flat_name;
  for (const auto& [name, i] : by_name) by_flat_name.emplace(flat_name(name), i);
  for (size_t i = 0; i < variables.size(); ++i) {
    Variable& at = variables[i];
    if (!at.node || at.role != Role::slot) continue;
    const auto it = optimizers.places.find(*at.node);
    const std::string_view name = attributes[i]->full_name;
    if (it != optimizers.places.end()) {
      const Kept& kept = it->second;
      at.slot_name = kept.list;
      if (!kept.is_slot) at.slot_name.erase(0, at.slot_name.find_first_not_of('_'));
      if (kept.original) {
        if (const auto original = by_key.find(value_key(objects, *kept.original)); original != by_key.end()) {
          at.slot_of = variables[original->second].key;
          if (!kept.is_slot) {
            if (const auto word = after_flat_name(name, variables[original->second].name); !word.empty()) at.slot_name = word;
          }
        }
      }
    }
    if (!at.slot_of.empty()) continue;
    if (const auto found = find_flat(by_flat_name, name)) {
      at.slot_name = found->second;
      at.slot_of = variables[found->first].key;
      continue;
    }
    // tf_keras: "Adam/m/dense/kernel".
    const size_t first = name.find('/'), second = first == std::string_view::npos ? first : name.find('/', first + 1);
    if (second == std::string_view::npos) continue;
    if (const auto original = by_name.find(name.substr(second + 1)); original != by_name.end()) {
      at.slot_name = name.substr(first + 1, second - first - 1);
      at.slot_of = variables[original->second].key;
    }
  }
  return done;
}

}  // namespace ferry
