// ModelState: the variables and tables of one loaded model, by the names that its graph gives them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "ferry/status.h"
#include "ops/value.h"

namespace ferry::ops {

// Thread-safe.
class ModelState {
 public:
  // The object of that name; made where there is none. invalid_argument where it is of another kind.
  template <class T>
  Result<std::shared_ptr<T>> find_or_make(std::string_view name, const std::function<std::shared_ptr<T>()>& make) {
    const std::scoped_lock lock(mutex_);
    auto it = objects_.find(name);
    if (it == objects_.end()) it = objects_.emplace(std::string(name), make()).first;
    if (auto out = std::dynamic_pointer_cast<T>(it->second)) return out;
    return invalid_argument(concat(quoted(name), " is a ", it->second->kind(), ", wanted as a ", T::kKind));
  }
  // Where variables that the graph makes find their first value; by node and shared name. Set before the graph is looked at.
  using VariableLoader = std::function<std::function<Result<DenseTensor>()>(std::string_view node, std::string_view shared_name)>;
  void load_variables_with(VariableLoader loader) { loader_ = std::move(loader); }
  std::function<Result<DenseTensor>()> variable_loader(std::string_view node, std::string_view shared_name) const {
    return loader_ ? loader_(node, shared_name) : nullptr;
  }
  ObjectRef find(std::string_view name) const {
    const std::scoped_lock lock(mutex_);
    const auto it = objects_.find(name);
    return it == objects_.end() ? nullptr : it->second;
  }
  template <class F>
  void for_each(F&& f) const {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, object] : objects_) f(name, object);
  }

 private:
  VariableLoader loader_;
  mutable std::mutex mutex_;
  std::map<std::string, ObjectRef, std::less<>> objects_;
};

}  // namespace ferry::ops
