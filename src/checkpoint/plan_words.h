// What a plan says of its rows.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "checkpoint/rename.h"
#include "ferry/plan.h"

namespace ferry::plan {

std::string_view best_name(const Have& have);
std::string_view best_name(const Wanted& wanted);

// Of a row that was found by similar names.
struct Known {
  std::string reason, rename;
  bool waits = false;  // it needs to be accepted besides being made to fit
};

struct Planned {
  std::span<const Have> have;
  std::span<const Wanted> wanted;
  const RenameRules* rules;
  const PlanOptions& options;
};

// Sets reason and remedy from what else the row says. `meant`: its transposition comes with its name.
void explain(PlanRow& row, const Planned& of, const Known& known, bool meant);

}  // namespace ferry::plan
