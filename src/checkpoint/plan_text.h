// A plan for people and for scripts. docs/checkpoints.md has the JSON's schema.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ferry/plan.h"

namespace ferry {

struct PlanTextOptions {
  size_t most_rows = 20;                // of each kind; 0: all
  std::string_view checkpoint, target;  // for the JSON: what was compared
};

// What is restored is counted; every problem is a line, with what would solve it below.
std::string plan_table(const Plan& plan, std::span<const Have> have, std::span<const Wanted> wanted, const PlanTextOptions& options = {});
std::string plan_json(const Plan& plan, std::span<const Have> have, std::span<const Wanted> wanted, const PlanTextOptions& options = {});

}  // namespace ferry
