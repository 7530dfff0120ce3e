#include "checkpoint/plan_names.h"

#include <gtest/gtest.h>

namespace ferry {
namespace {

TEST(PlanNames, CanonicalForms) {
  const auto form = [](std::string_view name) { return plan::canonical(name).form; };
  EXPECT_EQ(form("dense_1/kernel:0"), form("dense.1.weight"));
  EXPECT_EQ(form("model/layer-1/kernel/.ATTRIBUTES/VARIABLE_VALUE"), form("model.layer-1.kernel"));
  EXPECT_EQ(form("bn/moving_variance"), form("bn.running_var"));
  EXPECT_NE(form("a/kernel"), form("a/bias"));
  EXPECT_EQ(form(""), "");
  EXPECT_EQ(form("///"), "");
  for (const std::string_view name : {"a/b.c/kernel", "/a//b", "moving_mean", ".", "x:0"}) {
    const plan::Canonical out = plan::canonical(name);
    for (size_t i = 0; i < out.starts.size(); ++i) {
      EXPECT_LE(out.starts[i].first, out.text.size()) << name;
      EXPECT_LE(out.starts[i].second, out.form.size()) << name;
    }
  }
}

TEST(PlanNames, WordsThatCouldBeOneAnothers) {
  for (const auto& [a, b] : {std::pair("encoder/", "enc/"),
                             {"net/decoder/", "dec."},
                             {"model_1/", "model/"},
                             {"tower/x/", "towers/x/"},
                             {"clasifier/", "classifier/"}}) {
    EXPECT_TRUE(plan::alike(a, b)) << a << b;
  }
  for (const auto& [a, b] : {std::pair("left/", "one/"), {"tower/dense/", "encoder/dense/"}, {"a/", ""}, {"a/b/", "b/"}, {"x/", "xyz/"}}) {
    EXPECT_FALSE(plan::alike(a, b)) << a << b;
  }
}

TEST(PlanNames, NumbersOfLayers) {
  EXPECT_EQ(plan::renumbered("net_3/dense/").pattern, plan::renumbered("net/dense_12/").pattern);
  EXPECT_EQ(plan::renumbered("net_3/dense/").numbers, (std::vector<int64_t>{3, 0}));
  EXPECT_EQ(plan::renumbered("a99999999999999999999/").numbers, (std::vector<int64_t>{0}));
  EXPECT_EQ(plan::numbered("layer_12/conv3/").pattern, "layer_#/conv#/");
  EXPECT_EQ(plan::numbered("layer_12/conv3/").numbers, "12,3");
}

}  // namespace
}  // namespace ferry
