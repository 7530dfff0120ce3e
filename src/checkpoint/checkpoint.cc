#include "ferry/checkpoint.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "ferry/parts.h"
#include "formats/ckpt/lookup.h"

namespace ferry {
namespace {

// Positions by a text that should be of one variable only.
class Index {
 public:
  bool add(std::string_view text, size_t i) {  // false where it was there already
    const auto [it, is_new] = places_.emplace(text, i);
    if (!is_new) it->second = kSeveral;
    return is_new;
  }
  std::optional<size_t> find(std::string_view text) const {
    const auto it = places_.find(text);
    if (it == places_.end() || it->second == kSeveral) return std::nullopt;
    return it->second;
  }

 private:
  static constexpr size_t kSeveral = SIZE_MAX;
  std::unordered_map<std::string_view, size_t> places_;
};

// Worked out once, by whoever asks first; others wait.
template <class T>
class Once {
 public:
  template <class Make>
  Result<const T*> get(Make&& make) const {
    std::call_once(flag_, [&] {
      auto made = make();
      status_ = made.status();
      if (made.ok()) value_.emplace(*std::move(made));
    });
    if (!status_.ok()) return status_;
    return &*value_;
  }

 private:
  mutable std::once_flag flag_;
  mutable Status status_;
  mutable std::optional<T> value_;
};

}  // namespace

struct Checkpoint::State {
  Place place;
  const Format* format;
  ReadOptions options;

  std::atomic<uint64_t> looks = 0;
  std::atomic<size_t> next = 0;
  mutable std::atomic<bool> is_listed = false;  // then one more look costs less there

  struct Described {
    std::optional<ObjectGraph> objects;
    std::vector<Variable> variables;
    Index paths, names;
  };
  Once<std::unique_ptr<TensorReader>> listing;
  Once<Index> key_index;
  Once<Described> described;
  Once<std::unique_ptr<ckpt::Lookup>> lookup;  // null where the format has none

  Result<const TensorReader*> list() const {
    FERRY_ASSIGN_OR_RETURN(const auto* const reader, listing.get([&]() -> Result<std::unique_ptr<TensorReader>> {
      FERRY_ASSIGN_OR_RETURN(auto out, open_tensors(place, format, options));
      is_listed = true;
      return out;
    }));
    return static_cast<const TensorReader*>(reader->get());
  }
  Result<const Index*> keys() const {
    FERRY_ASSIGN_OR_RETURN(const TensorReader* const reader, list());
    return key_index.get([&]() -> Result<Index> {
      Index out;
      const auto tensors = reader->tensors();
      for (size_t i = 0; i < tensors.size(); ++i) {
        if (!out.add(tensors[i].name, i)) return data_loss(concat("two tensors are called ", quoted(tensors[i].name)));
      }
      return out;
    });
  }
  Result<const Described*> describe() const {
    FERRY_ASSIGN_OR_RETURN(const TensorReader* const reader, list());
    return described.get([&]() -> Result<Described> {
      Described out;
      FERRY_ASSIGN_OR_RETURN(out.objects, read_object_graph(*reader, options.limits));
      FERRY_ASSIGN_OR_RETURN(out.variables, describe_variables(reader->tensors(), out.objects ? &*out.objects : nullptr));
      for (const Variable& variable : out.variables) {
        if (!variable.path.empty()) out.paths.add(variable.path, variable.tensor);
        if (!variable.name.empty()) out.names.add(variable.name, variable.tensor);
      }
      return out;
    });
  }
};

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Result<Checkpoint> Checkpoint::open(const std::string& path, const Format* format, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(Place place, find_place(path, options.limits));
  return open(std::move(place), format, options);
}

Result<Checkpoint> Checkpoint::open(Place place, const Format* format, const ReadOptions& options) {
  if (format == nullptr) {
    FERRY_ASSIGN_OR_RETURN(format, detect_format(place));
  }
  auto state = std::make_unique<State>();
  state->place = std::move(place);
  state->format = format;
  state->options = options;
  return Checkpoint(std::move(state));
}

const Format& Checkpoint::format() const { return *state_->format; }
const Place& Checkpoint::place() const { return state_->place; }
const ReadOptions& Checkpoint::options() const { return state_->options; }

Result<std::optional<Tensor>> Checkpoint::read(std::string_view key) const {
  if (!state_->is_listed) {
    FERRY_ASSIGN_OR_RETURN(const auto* const lookup, state_->lookup.get([&]() -> Result<std::unique_ptr<ckpt::Lookup>> {
      if (state_->format->id != "ckpt") return std::unique_ptr<ckpt::Lookup>();
      return ckpt::Lookup::open(state_->place, state_->options);
    }));
    if (*lookup != nullptr && !(*lookup)->is_listing_cheaper(state_->looks.fetch_add(1, std::memory_order_relaxed))) {
      FERRY_ASSIGN_OR_RETURN(auto found, (*lookup)->read(key));
      if (found) return std::optional(Tensor(*std::move(found)));
    }
  }
  FERRY_ASSIGN_OR_RETURN(const TensorReader* const reader, state_->list());
  const auto tensors = reader->tensors();
  size_t at = state_->next.load(std::memory_order_relaxed);
  if (at >= tensors.size() || tensors[at].name != key) {  // most read on where they are
    FERRY_ASSIGN_OR_RETURN(const Index* const keys, state_->keys());
    const auto found = keys->find(key);
    if (!found) return std::optional<Tensor>();
    at = *found;
  }
  state_->next.store(at + 1, std::memory_order_relaxed);
  FERRY_ASSIGN_OR_RETURN(Tensor tensor, reader->read(at));
  return std::optional(std::move(tensor));
}

Result<const TensorReader*> Checkpoint::reader() const { return state_->list(); }

Result<std::span<const Variable>> Checkpoint::variables() const {
  FERRY_ASSIGN_OR_RETURN(const auto* const found, state_->describe());
  return std::span<const Variable>(found->variables);
}

Result<const ObjectGraph*> Checkpoint::objects() const {
  FERRY_ASSIGN_OR_RETURN(const auto* const found, state_->describe());
  return found->objects ? &*found->objects : static_cast<const ObjectGraph*>(nullptr);
}

Result<const Variable*> Checkpoint::find(std::string_view text, FindBy by) const {
  FERRY_ASSIGN_OR_RETURN(const Index* const keys, state_->keys());
  FERRY_ASSIGN_OR_RETURN(const auto* const found, state_->describe());
  const Index& index = by == FindBy::key ? *keys : by == FindBy::path ? found->paths : found->names;
  const auto at = index.find(text);
  return at ? &found->variables[*at] : static_cast<const Variable*>(nullptr);
}

Result<const Variable*> Checkpoint::find_any(std::string_view text) const {
  for (const FindBy by : {FindBy::key, FindBy::path, FindBy::name}) {
    FERRY_ASSIGN_OR_RETURN(const Variable* const found, find(text, by));
    if (found != nullptr) return found;
  }
  return static_cast<const Variable*>(nullptr);
}

struct Checkpoint::Group {
  PartGroup parts;
  std::vector<size_t> tensors;  // of the reader, by the parts' numbers
};

Result<std::optional<Checkpoint::Group>> Checkpoint::find_group(std::string_view path) const {
  FERRY_ASSIGN_OR_RETURN(const TensorReader* const reader, state_->list());
  FERRY_ASSIGN_OR_RETURN(const auto* const found, state_->describe());
  if (!state_->options.parts.enabled) return std::optional<Group>();
  for (std::string Variable::*const text : {&Variable::path, &Variable::name}) {
    Group out;
    std::vector<ArrayInfo> arrays;
    for (const Variable& at : found->variables) {
      std::string_view below = at.*text;
      if (!below.starts_with(path)) continue;
      below.remove_prefix(path.size());
      if (!path.empty() && !below.starts_with('/')) continue;
      if (!path.empty()) below.remove_prefix(1);
      const TensorInfo& info = reader->tensors()[at.tensor];
      if (below.empty() || below.find('/') != std::string_view::npos || info.kind != TensorKind::dense) continue;
      arrays.push_back({std::string(below), info.dtype, info.shape});
      out.tensors.push_back(at.tensor);
    }
    if (arrays.size() < 2) continue;
    FERRY_ASSIGN_OR_RETURN(Grouping grouping, find_parts(arrays, {}));
    const auto group = std::ranges::find(grouping.groups, "", &PartGroup::name);
    if (group == grouping.groups.end()) continue;
    out.parts = std::move(*group);
    return std::optional(std::move(out));
  }
  return std::optional<Group>();
}

Result<bool> Checkpoint::has_group(std::string_view path) const {
  FERRY_ASSIGN_OR_RETURN(const auto group, find_group(path));
  return group.has_value();
}

Result<std::optional<Tensor>> Checkpoint::read_group(std::string_view path) const {
  FERRY_ASSIGN_OR_RETURN(const auto group, find_group(path));
  if (!group) return std::optional<Tensor>();
  FERRY_ASSIGN_OR_RETURN(const TensorReader* const reader, state_->list());
  const auto read = [&](size_t array) -> Result<DenseTensor> {
    FERRY_ASSIGN_OR_RETURN(Tensor tensor, reader->read(group->tensors[array]));
    return std::get<DenseTensor>(std::move(tensor));
  };
  auto tensor = assemble(group->parts, read);
  Status status = tensor.status();
  if (status.ok()) status = validate(*tensor, state_->options.validation);
  // Counts that do not agree are those of variables that have nothing to do with each other.
  if (status.code() == StatusCode::invalid_argument) return std::optional<Tensor>();
  if (!status.ok()) return status.with_context(concat("tensor ", quoted(path)));
  return std::optional(*std::move(tensor));
}

}  // namespace ferry
