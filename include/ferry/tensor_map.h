// TensorMap: named tensors in order, with text metadata for each and for the whole. What a file, a record, a request,
// a batch and a checkpoint have in common.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/status.h"
#include "ferry/tensor.h"

namespace ferry {

// Small, ordered, looked through from the front.
class Metadata {
 public:
  void set(std::string_view key, std::string_view value);
  const std::string* find(std::string_view key) const;
  // For a key that is known to be new: set() without the search.
  void append(std::string key, std::string value) { entries_.emplace_back(std::move(key), std::move(value)); }
  bool erase(std::string_view key);
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  friend bool operator==(const Metadata&, const Metadata&) = default;

 private:
  std::vector<std::pair<std::string, std::string>> entries_;
};

class TensorMap {
 public:
  struct Entry {
    std::string name;
    Tensor tensor;
    Metadata metadata;
  };

  // Fails where the name is taken.
  Status add(std::string name, Tensor tensor, Metadata metadata = {});
  // Replaces, or adds at the end.
  void set(std::string name, Tensor tensor);
  const Entry* find(std::string_view name) const;
  Entry* find(std::string_view name);
  bool erase(std::string_view name);

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  const Entry& operator[](size_t i) const { return entries_[i]; }
  Entry& operator[](size_t i) { return entries_[i]; }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  auto begin() { return entries_.begin(); }
  auto end() { return entries_.end(); }

  Metadata metadata;

 private:
  size_t position(std::string_view name) const;  // size() where absent
  std::vector<Entry> entries_;
  void place(size_t position);
  void rebuild();
  std::vector<uint32_t> slots_;  // positions + 1 by hash of the name, once a scan would be slow; else empty
};

// Same names in the same order, each identical().
bool identical(const TensorMap& a, const TensorMap& b);

}  // namespace ferry
