// What people meet when they restore an old checkpoint: each as the table they read and the JSON that scripts read.
#include <gtest/gtest.h>

#include "checkpoint/plan_language_test.h"

namespace ferry {
namespace {

using namespace plan_language;

void expect_in(const std::string& text, std::string_view part) {
  EXPECT_NE(text.find(part), std::string::npos) << part << "\nis not in\n" << text;
}

TEST(PlanCases, ARenamedScope) {
  const Planned out = plan({has("old/w", {2}), has("old/b", {3})}, {wants("new/w", Shape{2}), wants("new/b", Shape{3})});
  EXPECT_EQ(out.table(),
            "incomplete: 0 of 2 variables restored\n"
            "\n"
            "proposed: 2\n"
            "  new/w  float32 [2]  ← old/w  renamed scope old/ → new/\n"
            "  new/b  float32 [3]  ← old/b  renamed scope old/ → new/\n"
            "    to solve: --accept-proposed or --rename '^old/=new/'\n");
  expect_in(out.json(),
            R"("name":"new/w","path":"","key":"","dtype":"float32","shape":[2],"role":"weight","verdict":"proposed","restored":false)");
  expect_in(out.json(), R"("from":"old/w","candidates":[],"rule":null,"fix":null,"reason":"renamed scope old/ → new/")");
}

TEST(PlanCases, AMissingOptimizer) {
  std::vector<Wanted> wanted = {wants("w"), wants("w/Adam")};
  wanted[1].role = Role::slot;
  wanted[1].slot_of = "w";
  wanted[1].slot_name = "Adam";
  const Planned out = plan({has("w")}, wanted, {.slots = true});
  EXPECT_EQ(out.table(),
            "incomplete: 1 of 2 variables restored (1 by key)\n"
            "\n"
            "missing: 1\n"
            "  w/Adam  float32 [4]    the checkpoint has no such slot\n"
            "    to solve: --rename 'REGEX=NAME', or --allow-partial to leave it as it is\n");
  expect_in(out.json(), R"("role":"slot","verdict":"missing","restored":false,"required":true,"from":null)");
  EXPECT_EQ(plan({has("w")}, wanted).table(),
            "complete: 1 of 1 variable restored (1 by key)\n1 variable of the optimizer not asked for (--slots)\n");
}

TEST(PlanCases, ATransposedKernel) {
  const Planned out = plan({has("w", {3, 4})}, {wants("w", Shape{4, 3})});
  EXPECT_EQ(out.table(),
            "incomplete: 0 of 1 variable restored\n"
            "\n"
            "shape differs: 1\n"
            "  w  float32 [4, 3]    [3, 4] in the checkpoint, [4, 3] wanted; would fit: transpose (1, 0)\n"
            "    to solve: --fix transpose\n");
  expect_in(out.json(),
            R"("verdict":"shape","restored":false,"required":true,"from":"w","candidates":[],"rule":null,"fix":{"transpose":[1,0]})");
  PlanOptions options;
  options.fixes.transpose = true;
  EXPECT_EQ(plan({has("w", {3, 4})}, {wants("w", Shape{4, 3})}, options).table(),
            "complete: 1 of 1 variable restored (1 by key)\n"
            "\n"
            "restored, changed on the way: 1\n"
            "  w  float32 [4, 3]    transpose (1, 0)\n");
}

TEST(PlanCases, AGrownEmbedding) {
  const Planned out = plan({has("emb", {1200, 8})}, {wants("emb", Shape{1250, 8})});
  EXPECT_EQ(out.table(),
            "incomplete: 0 of 1 variable restored\n"
            "\n"
            "shape differs: 1\n"
            "  emb  float32 [1250, 8]    [1200, 8] in the checkpoint, [1250, 8] wanted; would fit: grow by 50 rows (kept as they are)\n"
            "    to solve: --fix resize\n");
  expect_in(out.json(), R"("fix":{"resize":{"axis":0,"from":1200,"to":1250}})");
}

TEST(PlanCases, TwoCandidates) {
  const Planned out = plan({has("a/x", {7, 3}), has("b/x", {7, 3})}, {wants("c/x", Shape{7, 3})});
  EXPECT_EQ(out.table(),
            "incomplete: 0 of 1 variable restored\n"
            "\n"
            "ambiguous: 1\n"
            "  c/x  float32 [7, 3]    2 tensors of this shape, dtype and last word, for 1 variable: a/x, b/x\n"
            "    to solve: --rename '^a/x$=c/x'\n");
  expect_in(out.json(), R"("verdict":"ambiguous","restored":false,"required":true,"from":null,"candidates":["a/x","b/x"])");
}

}  // namespace
}  // namespace ferry
