// Which tensor could be meant by a variable whose own name is nowhere: the same name in another spelling, or in another scope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/plan_names.h"

namespace ferry::plan {

// A thing with up to three names (the variable's, its path, its key), in canonical form.
struct Named {
  size_t at = 0;  // position in the caller's list
  std::vector<Canonical> names;
};

struct Proposal {
  std::vector<size_t> have;  // one: proposed; several: all could be meant
  bool contested = false;    // the one could just as well be another variable's
  std::string reason;        // "renamed scope a/ → b/"
  std::string rename;        // a rule that says the same, where one does
  Leaf from = Leaf::unknown, to = Leaf::unknown;
};

// How well two fit by anything but their names. `near` takes a change of one axis, and says nothing for a change of scope.
enum class Closeness : uint8_t { none, near, exact };
using Fit = std::function<Closeness(size_t have, size_t wanted, Leaf from, Leaf to)>;
// One for each of `wanted`; empty where nothing was found.
std::vector<Proposal> propose_by_name(std::span<const Named> have, std::span<const Named> wanted, const Fit& fit);

// 'REGEX=NAME' that renames just this.
std::string rename_rule(std::string_view from, std::string_view to, bool whole);

}  // namespace ferry::plan
