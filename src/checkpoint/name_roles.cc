#include <unordered_map>

#include "checkpoint/optimizers.h"
#include "checkpoint/roles.h"

namespace ferry {
namespace {

constexpr int kMostScopes = 16;  // in front of a variable's name

using Names = std::unordered_map<std::string_view, size_t>;

// What TensorFlow puts behind an object's path in its keys: such a key tells the path without the object graph, too.
constexpr std::string_view kValue = "/.ATTRIBUTES/VARIABLE_VALUE", kSlotWay = "/.OPTIMIZER_SLOT/";

std::string_view path_in(std::string_view key) {
  return key.ends_with(kValue) ? key.substr(0, key.size() - kValue.size()) : std::string_view();
}

// "d1/kernel" of "model_weights/d1/d1/kernel:0" and "d1/d1/kernel:0": HDF5 files of Keras 1 and 2, in which each layer is a group.
std::string name_of(std::string_view key) {
  if (!key.ends_with(":0")) return std::string(key);
  std::string_view name = key.substr(0, key.size() - 2);
  constexpr std::string_view kModel = "model_weights/";
  if (name.starts_with(kModel)) name.remove_prefix(kModel.size());
  const size_t slash = name.find('/');
  return std::string(name.find('/', slash + 1) == std::string_view::npos ? name : name.substr(slash + 1));
}

bool is_numeric(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

// "optimizer/…", "opt_state/…" (Optax), and "state/0/exp_avg", which is what PyTorch's optimizer.state_dict() alone is.
bool is_optimizer_section(std::string_view key) {
  const std::string_view first = key.substr(0, key.find('/'));
  if (first.size() == key.size()) return false;
  if (first.starts_with("optimizer") || first == "opt_state" || is_optimizer_name(first)) return true;
  const std::string_view rest = key.substr(first.size() + 1), second = rest.substr(0, rest.find('/'));
  return first == "state" && second.size() < rest.size() && is_numeric(second);
}

// The weight of that name, or of one without some of the scopes in front; `needed` says whether what is left out is enough.
template <class Needed>
std::optional<size_t> find_base(const Names& weights, std::string_view name, Needed&& needed) {
  std::string_view left_out = name.substr(0, 0);
  for (int i = 0; i <= kMostScopes; ++i) {
    if (needed(left_out)) {
      if (const auto it = weights.find(name.substr(left_out.size())); it != weights.end()) return it->second;
    }
    const size_t slash = name.find('/', left_out.size());
    if (slash == std::string_view::npos) return std::nullopt;
    left_out = name.substr(0, slash + 1);
  }
  return std::nullopt;
}

bool has_optimizer_word(std::string_view scopes) {
  while (!scopes.empty()) {
    const std::string_view part = scopes.substr(0, scopes.find('/'));
    if (is_optimizer_word(part)) return true;
    scopes.remove_prefix(std::min(part.size() + 1, scopes.size()));
  }
  return false;
}

bool is_numbered(std::string_view part) {
  const size_t end = part.find_last_not_of("0123456789");
  return end != std::string_view::npos && end + 1 < part.size() && part[end] == '_';
}

struct Slot {
  std::string_view name;
  size_t of;
};

std::optional<Slot> find_slot(const Names& names, std::string_view name) {
  const std::string_view last = last_part(name);
  if (const size_t way = name.find(kSlotWay); way != std::string_view::npos) {
    if (const auto it = names.find(name.substr(0, way)); it != names.end()) return Slot{last, it->second};
  }
  if (last.size() + 1 < name.size()) {
    const std::string_view base = name.substr(0, name.size() - last.size() - 1);
    if (is_slot_suffix(last)) {
      const auto anything = [](std::string_view) { return true; };
      if (const auto of = find_base(names, base, anything)) return Slot{last, *of};
      // Of one part of a partitioned variable: TensorFlow cuts "part_0" at a wrong place where there is a scope in front.
      if (const size_t slash = base.rfind('/'); slash != std::string_view::npos && is_numbered(base.substr(slash + 1))) {
        if (const auto of = find_base(names, base.substr(0, slash), anything)) return Slot{last, *of};
      }
    }
    // "training/Adam/dense/kernel/m": Keras's short words count behind an optimizer's name only.
    if (is_keras_slot_suffix(last)) {
      if (const auto of = find_base(names, base, has_optimizer_word)) return Slot{last, *of};
    }
  }
  // "dense/kernel_slot_vr": Mesh TensorFlow.
  constexpr std::string_view kMesh = "_slot_";
  if (const size_t at = name.rfind(kMesh); at != std::string_view::npos && at + kMesh.size() < name.size()) {
    if (const auto it = names.find(name.substr(0, at)); it != names.end()) return Slot{name.substr(at + kMesh.size()), it->second};
  }
  // "Adam/m/dense/kernel"
  std::string_view word;
  const auto of = find_base(names, name, [&](std::string_view scopes) {
    if (scopes.empty()) return false;
    scopes.remove_suffix(1);
    word = last_part(scopes);
    return is_keras_slot_suffix(word) && word.size() < scopes.size() &&
           has_optimizer_word(scopes.substr(0, scopes.size() - word.size() - 1));
  });
  if (of) return Slot{word, *of};
  return std::nullopt;
}

// In `optimizer/…`, which nothing else is in.
Role section_role(const TensorInfo& info, std::string_view key) {
  if (key.ends_with(kValue)) key.remove_suffix(kValue.size());
  if (!is_scalar(info)) return Role::slot;
  std::string_view last = last_part(key);
  if (last.ends_with(":0")) last.remove_suffix(2);
  if (is_counter_name(last) || last == "count") return Role::counter;
  // Keras 3 numbers them: iterations, learning rate, then the slots of one variable after another.
  if (key.ends_with("vars/0")) return Role::counter;
  if (key.ends_with("vars/1")) return Role::state;
  return key.find("/vars/") != std::string_view::npos ? Role::slot : Role::state;
}

}  // namespace

void roles_by_names(std::span<const TensorInfo> tensors, std::span<Variable> variables, const std::vector<bool>& done) {
  Names names;
  for (size_t i = 0; i < variables.size(); ++i) {
    if (done[i]) continue;
    variables[i].path = path_in(variables[i].key);
    variables[i].name = variables[i].path.empty() ? name_of(variables[i].key) : variables[i].path;
  }
  for (size_t i = 0; i < variables.size(); ++i) {
    if (!is_optimizer_section(variables[i].key)) names.emplace(variables[i].name, i);
  }
  for (size_t i = 0; i < variables.size(); ++i) {
    if (done[i]) continue;
    Variable& at = variables[i];
    const TensorInfo& info = tensors[i];
    const std::string_view last = last_part(at.name);
    const bool section = is_optimizer_section(at.key) || at.path.find(kSlotWay) != std::string::npos;
    if (const auto slot = find_slot(names, at.name); slot && slot->of != i) {
      at.role = Role::slot;
      at.slot_name = slot->name;
      at.slot_of = variables[slot->of].key;
    } else if (section) {
      at.role = section_role(info, at.key);
      // PyTorch: "optimizer/state/0/exp_avg"
      const bool is_state = at.key.starts_with("state/") || at.key.find("/state/") != std::string::npos;
      if (at.role == Role::slot && is_state) at.slot_name = last_part(at.key);
    } else if (is_scalar(info) && is_counter_name(last) && is_whole_number(info.dtype)) {
      at.role = Role::counter;
    } else if (is_scalar(info) && is_setting_name(last)) {
      at.role = Role::state;
    } else if (last == "ExponentialMovingAverage") {  // of a loss, say: of no variable
      at.role = Role::state;
    }
    at.of_optimizer = section || at.role == Role::slot || (at.role == Role::state && is_setting_name(last));
  }
}

}  // namespace ferry
