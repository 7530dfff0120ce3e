// Positions by name, where the names stand elsewhere: eight bytes a name, nothing copied.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace ferry {

// `name_of(i)` gives the name at a position. Positions are below 2^32 - 1.
class NameSlots {
 public:
  static constexpr size_t kNone = SIZE_MAX;
  explicit NameSlots(size_t count = 0) : slots_(std::bit_ceil(2 * count + 1), 0) {}

  // The position that has this name already, or kNone, after which `i` has it. At most `count` are added.
  template <class NameOf>
  size_t add(size_t i, std::string_view name, NameOf&& name_of) {
    size_t at = place(name);
    for (; slots_[at] != 0; at = next(at)) {
      if (name_of(slots_[at] - 1) == name) return slots_[at] - 1;
    }
    slots_[at] = static_cast<uint32_t>(i + 1);
    return kNone;
  }
  template <class NameOf>
  size_t find(std::string_view name, NameOf&& name_of) const {
    for (size_t at = place(name); slots_[at] != 0; at = next(at)) {
      if (name_of(slots_[at] - 1) == name) return slots_[at] - 1;
    }
    return kNone;
  }

 private:
  size_t place(std::string_view name) const { return std::hash<std::string_view>()(name) & (slots_.size() - 1); }
  size_t next(size_t at) const { return (at + 1) & (slots_.size() - 1); }
  std::vector<uint32_t> slots_;  // positions + 1; at least half of them are free
};

}  // namespace ferry
