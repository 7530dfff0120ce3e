#include "ferry/tensor_map.h"

#include <algorithm>
#include <functional>

namespace ferry {
namespace {
constexpr size_t kScan = 16;  // up to so many names a scan is the fastest look-up
}

void Metadata::set(std::string_view key, std::string_view value) {
  for (auto& [k, v] : entries_) {
    if (k == key) {
      v = value;
      return;
    }
  }
  entries_.emplace_back(key, value);
}

const std::string* Metadata::find(std::string_view key) const {
  for (const auto& [k, v] : entries_) {
    if (k == key) return &v;
  }
  return nullptr;
}

bool Metadata::erase(std::string_view key) {
  return std::erase_if(entries_, [&](const auto& entry) { return entry.first == key; }) > 0;
}

void TensorMap::place(size_t position) {
  size_t slot = std::hash<std::string_view>()(entries_[position].name) & (slots_.size() - 1);
  while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = static_cast<uint32_t>(position + 1);
}

void TensorMap::rebuild() {
  slots_.clear();
  if (entries_.size() <= kScan) return;
  size_t wanted = 4 * kScan;
  while (wanted < 2 * entries_.size()) wanted *= 2;
  slots_.resize(2 * wanted);
  for (size_t i = 0; i < entries_.size(); ++i) place(i);
}

size_t TensorMap::position(std::string_view name) const {
  if (slots_.empty()) {
    const auto it = std::ranges::find(entries_, name, &Entry::name);
    return static_cast<size_t>(it - entries_.begin());
  }
  for (size_t slot = std::hash<std::string_view>()(name) & (slots_.size() - 1); slots_[slot] != 0;
       slot = (slot + 1) & (slots_.size() - 1)) {
    if (entries_[slots_[slot] - 1].name == name) return slots_[slot] - 1;
  }
  return entries_.size();
}

Status TensorMap::add(std::string name, Tensor tensor, Metadata metadata) {
  if (position(name) != entries_.size()) return invalid_argument(concat("two tensors are named ", quoted(name)));
  entries_.push_back({std::move(name), std::move(tensor), std::move(metadata)});
  if (entries_.size() > kScan && 2 * entries_.size() > slots_.size()) {
    rebuild();
  } else if (!slots_.empty()) {
    place(entries_.size() - 1);
  }
  return {};
}

void TensorMap::set(std::string name, Tensor tensor) {
  if (Entry* entry = find(name)) {
    entry->tensor = std::move(tensor);
    return;
  }
  const Status status = add(std::move(name), std::move(tensor));
  FERRY_ASSERT(status.ok());
}

const TensorMap::Entry* TensorMap::find(std::string_view name) const {
  const size_t at = position(name);
  return at == entries_.size() ? nullptr : &entries_[at];
}

TensorMap::Entry* TensorMap::find(std::string_view name) {
  const size_t at = position(name);
  return at == entries_.size() ? nullptr : &entries_[at];
}

bool TensorMap::erase(std::string_view name) {
  const size_t at = position(name);
  if (at == entries_.size()) return false;
  entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(at));
  rebuild();
  return true;
}

bool identical(const TensorMap& a, const TensorMap& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return x.name == y.name && identical(x.tensor, y.tensor); });
}

}  // namespace ferry
