// Checkpoints and targets in a few words: has("a/w", {3, 4}), wants("b/w", Shape{3, 4}), plan(have, wanted).
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/rename.h"
#include "ferry/plan.h"
#include "ferry/status.h"

namespace ferry::plan_language {

inline Have has(std::string name, Shape shape = {4}, DType dtype = DType::float32, Role role = Role::weight) {
  Have out;
  out.name = out.key = std::move(name);
  out.shape = std::move(shape);
  out.dtype = dtype;
  out.role = role;
  return out;
}

inline Wanted wants(std::string name, std::optional<Shape> shape = Shape{4}, std::optional<DType> dtype = DType::float32,
                    Role role = Role::weight) {
  Wanted out;
  out.name = std::move(name);
  out.shape = std::move(shape);
  out.dtype = dtype;
  out.role = role;
  return out;
}

struct Planned {
  std::vector<Have> have;
  std::vector<Wanted> wanted;
  Plan plan;
  const PlanRow& operator[](std::string_view name) const {
    static const PlanRow kNone;
    for (const PlanRow& row : plan.rows) {
      if (wanted[row.wanted].name == name || wanted[row.wanted].path == name) return row;
    }
    ADD_FAILURE() << "nobody wants " << name;
    return kNone;
  }
  // "proposed from a/w", "missing"
  std::string verdict(std::string_view name) const {
    const PlanRow& row = (*this)[name];
    return concat(verdict_name(row.verdict), row.restored ? "" : "!", row.have ? concat(" ", have[*row.have].key) : std::string());
  }
  std::string use(std::string_view key) const {
    for (size_t h = 0; h < have.size(); ++h) {
      if (have[h].key == key) return std::string(use_name(plan.uses[h].use));
    }
    return "not there";
  }
  std::string table() const { return plan_table(plan, have, wanted); }
  std::string json() const { return plan_json(plan, have, wanted, {.checkpoint = "c", .target = "t"}); }
};

inline Planned plan(std::vector<Have> have, std::vector<Wanted> wanted, const PlanOptions& options = {},
                    std::initializer_list<std::string_view> rules = {}) {
  RenameRules all;
  for (const std::string_view rule : rules) EXPECT_TRUE(all.add(rule).ok()) << rule;
  Planned out{std::move(have), std::move(wanted), {}};
  out.plan = make_plan(out.have, out.wanted, &all, options);
  EXPECT_EQ(out.plan.rows.size(), out.wanted.size());
  EXPECT_EQ(out.plan.uses.size(), out.have.size());
  EXPECT_FALSE(out.table().empty());
  return out;
}

inline std::vector<Have> dense_layers(std::string scope) {
  return {has(scope + "dense/kernel", {3, 4}), has(scope + "dense/bias", {4}), has(scope + "head/kernel", {4, 2}),
          has(scope + "head/bias", {2})};
}
inline std::vector<Wanted> dense_layers_wanted(std::string scope) {
  std::vector<Wanted> out;
  for (const Have& have : dense_layers(scope)) out.push_back(wants(have.name, have.shape));
  return out;
}

}  // namespace ferry::plan_language
