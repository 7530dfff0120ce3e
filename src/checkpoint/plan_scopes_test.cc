// What is proposed: scopes, other frameworks' words, what there is only one of.
#include <gtest/gtest.h>

#include <chrono>

#include "checkpoint/plan_language_test.h"

namespace ferry {
namespace {

using namespace plan_language;

// ---- Scopes

TEST(Plan, ARenamedScopeIsProposedAndNeverSilent) {
  const Planned out = plan(dense_layers("tower/"), dense_layers_wanted("encoder/"));
  EXPECT_EQ(out.table(),
            "incomplete: 0 of 4 variables restored\n"
            "\n"
            "proposed: 4\n"
            "  encoder/dense/kernel  float32 [3, 4]  ← tower/dense/kernel  renamed scope tower/ → encoder/\n"
            "  encoder/dense/bias    float32 [4]     ← tower/dense/bias    renamed scope tower/ → encoder/\n"
            "  encoder/head/kernel   float32 [4, 2]  ← tower/head/kernel   renamed scope tower/ → encoder/\n"
            "  encoder/head/bias     float32 [2]     ← tower/head/bias     renamed scope tower/ → encoder/\n"
            "    to solve: --accept-proposed or --rename '^tower/=encoder/'\n");
  EXPECT_FALSE(out.plan.applicable());
  EXPECT_TRUE(plan(dense_layers("tower/"), dense_layers_wanted("encoder/"), {.accept_proposed = true}).plan.complete());
  EXPECT_TRUE(plan(dense_layers("tower/"), dense_layers_wanted("encoder/"), {}, {"^tower/=encoder/"}).plan.complete());
}

TEST(Plan, AScopeAddedOrRemoved) {
  const Planned added = plan(dense_layers(""), dense_layers_wanted("model/"));
  EXPECT_EQ(added["model/dense/kernel"].reason, "scope model/ added");
  EXPECT_EQ(added["model/dense/kernel"].remedy, "--accept-proposed or --rename '^=model/'");
  const Planned removed = plan(dense_layers("a.b/"), dense_layers_wanted(""));
  EXPECT_EQ(removed["dense/kernel"].reason, "scope a.b/ removed");
  EXPECT_EQ(removed["dense/kernel"].remedy, "--accept-proposed or --rename '^a\\.b/='");
  EXPECT_TRUE(plan(dense_layers("a.b/"), dense_layers_wanted(""), {}, {"^a\\.b/="}).plan.complete());
}

TEST(Plan, TwoScopesThatEndAlikeAreAmbiguousUnlessShapesTell) {
  std::vector<Have> have = dense_layers("left/");
  for (Have& other : dense_layers("right/")) have.push_back(other);
  const Planned out = plan(have, dense_layers_wanted("one/"));
  EXPECT_EQ(out.verdict("one/dense/kernel"), "ambiguous!");
  EXPECT_EQ(out["one/dense/kernel"].candidates, (std::vector<size_t>{0, 4}));
  EXPECT_EQ(out["one/dense/kernel"].reason, "several scopes end alike: left/dense/kernel, right/dense/kernel");
  EXPECT_EQ(out["one/dense/kernel"].remedy, "--rename '^left/dense/kernel$=one/dense/kernel'");
  for (size_t i = 4; i < 8; ++i) have[i].shape.append(1);
  const Planned told = plan(have, dense_layers_wanted("one/"));
  EXPECT_EQ(told.verdict("one/dense/kernel"), "proposed! left/dense/kernel");
}

TEST(Plan, OneScopeForTwoIsAmbiguous) {
  std::vector<Wanted> wanted = dense_layers_wanted("left/");
  for (Wanted& other : dense_layers_wanted("right/")) wanted.push_back(other);
  const Planned out = plan(dense_layers("one/"), wanted, {.accept_proposed = true});
  for (const Wanted& w : wanted) EXPECT_EQ(out[w.name].verdict, Verdict::ambiguous) << w.name;
  EXPECT_FALSE(out.plan.complete());
}

TEST(Plan, NumberedScopesAreRenamedTogether) {
  std::vector<Have> have;
  std::vector<Wanted> wanted;
  for (int layer = 0; layer < 12; ++layer) {
    for (const std::string_view leaf : {"attention/query/kernel", "attention/query/bias", "mlp/kernel"}) {
      have.push_back(has(concat("bert/encoder/layer_", layer, "/", leaf), leaf.ends_with("bias") ? Shape{8} : Shape{8, 8}));
      wanted.push_back(wants(concat("h/", layer, "/", leaf), have.back().shape));
    }
  }
  const Planned out = plan(have, wanted, {.accept_proposed = true});
  EXPECT_TRUE(out.plan.complete());
  EXPECT_EQ(out.verdict("h/7/mlp/kernel"), "proposed bert/encoder/layer_7/mlp/kernel");
  EXPECT_EQ(out["h/7/mlp/kernel"].reason, "renamed scope bert/encoder/layer_#/ → h/#/ (# is the same number)");
  const Planned waiting = plan(have, wanted);
  EXPECT_EQ(waiting["h/7/mlp/kernel"].remedy, "--accept-proposed or --rename '^bert/encoder/layer_([0-9]+)/=h/\\1/'");
  EXPECT_TRUE(plan(have, wanted, {}, {"^bert/encoder/layer_([0-9]+)/=h/\\1/"}).plan.complete());
}

TEST(Plan, LayersThatKerasNumberedOtherwise) {
  const auto model = [](int first) {
    std::vector<std::string> out;
    for (int i = 0; i < 20; ++i) {
      const std::string number = first + i == 0 ? std::string() : concat("_", first + i);
      for (const std::string_view leaf : {"kernel", "bias"}) out.push_back(concat("net_", first, "/dense", number, "/", leaf));
    }
    return out;
  };
  std::vector<Have> have;
  std::vector<Wanted> wanted;
  for (const std::string& name : model(0)) have.push_back(has(name, name.ends_with("bias") ? Shape{8} : Shape{8, 8}));
  for (const std::string& name : model(7)) wanted.push_back(wants(name, name.ends_with("bias") ? Shape{8} : Shape{8, 8}));
  const Planned out = plan(have, wanted, {.accept_proposed = true});
  EXPECT_TRUE(out.plan.complete()) << out.table();
  EXPECT_EQ(out.verdict("net_7/dense_7/kernel"), "proposed net_0/dense/kernel");
  EXPECT_EQ(out.verdict("net_7/dense_26/bias"), "proposed net_0/dense_19/bias");
  EXPECT_EQ(out["net_7/dense_7/kernel"].reason, "renumbered scope net#/dense#/ (+7, +7)");
}

TEST(Plan, TwoScopesRenamedAtOnceAreToldByTheirWords) {
  std::vector<Have> have = dense_layers("net/encoder/");
  for (Have& other : dense_layers("net/decoder/")) have.push_back(other);
  std::vector<Wanted> wanted = dense_layers_wanted("enc/");
  for (Wanted& other : dense_layers_wanted("dec/")) wanted.push_back(other);
  const Planned out = plan(have, wanted, {.accept_proposed = true});
  EXPECT_TRUE(out.plan.complete()) << out.table();
  EXPECT_EQ(out.verdict("dec/head/bias"), "proposed net/decoder/head/bias");
  EXPECT_EQ(out.verdict("enc/head/bias"), "proposed net/encoder/head/bias");
}

TEST(Plan, AGrownEmbeddingIsFoundInItsRenamedScope) {
  auto have = dense_layers("old/");
  have.push_back(has("old/words", {1200, 8}));
  auto wanted = dense_layers_wanted("new/");
  wanted.push_back(wants("new/words", Shape{1250, 8}));
  const Planned out = plan(have, wanted);
  EXPECT_EQ(out.verdict("new/words"), "shape! old/words");
  EXPECT_EQ(out["new/words"].reason,
            "[1200, 8] in the checkpoint, [1250, 8] wanted (renamed scope old/ → new/); would fit: grow by 50 rows (kept as they are)");
  EXPECT_EQ(out["new/words"].remedy, "--accept-proposed --fix resize");
  PlanOptions all{.accept_proposed = true};
  all.fixes.resize = true;
  EXPECT_TRUE(plan(have, wanted, all).plan.complete());
}

// ---- Other frameworks' names

TEST(Plan, ATransposedKernelOfPyTorch) {
  const Planned out = plan(
      {has("fc1.weight", {4, 3}), has("fc1.bias", {4}), has("conv.weight", {16, 3, 5, 5}), has("bn.weight", {16}), has("bn.bias", {16}),
       has("bn.running_mean", {16}), has("bn.running_var", {16}), has("emb.weight", {100, 8}), has("square.weight", {4, 4})},
      {wants("fc1/kernel", Shape{3, 4}), wants("fc1/bias"), wants("conv/kernel", Shape{5, 5, 3, 16}), wants("bn/gamma", Shape{16}),
       wants("bn/beta", Shape{16}), wants("bn/moving_mean", Shape{16}), wants("bn/moving_variance", Shape{16}),
       wants("emb/embeddings", Shape{100, 8}), wants("square/kernel", Shape{4, 4})},
      {.accept_proposed = true});
  EXPECT_TRUE(out.plan.complete()) << out.table();
  EXPECT_EQ(out["fc1/kernel"].reason, "the same name, weight for kernel; transpose (1, 0)");
  EXPECT_EQ(out["conv/kernel"].reason, "the same name, weight for kernel; transpose (2, 3, 1, 0): OIHW → HWIO");
  EXPECT_EQ(out["square/kernel"].fix.permutation, (std::vector<size_t>{1, 0}));
  EXPECT_TRUE(out["emb/embeddings"].fix.empty());
  EXPECT_TRUE(out["fc1/bias"].fix.empty());
  EXPECT_EQ(out["bn/gamma"].reason, "the same name, weight for gamma");
}

TEST(Plan, BertOfPyTorchForTensorFlow) {
  std::vector<Have> have;
  std::vector<Wanted> wanted;
  for (int i = 0; i < 3; ++i) {
    have.push_back(has(concat("bert.encoder.layer.", i, ".attention.self.query.weight"), {8, 8}));
    have.push_back(has(concat("bert.encoder.layer.", i, ".attention.self.query.bias"), {8}));
    wanted.push_back(wants(concat("bert/encoder/layer_", i, "/attention/self/query/kernel"), Shape{8, 8}));
    wanted.push_back(wants(concat("bert/encoder/layer_", i, "/attention/self/query/bias"), Shape{8}));
  }
  have.push_back(has("bert.embeddings.LayerNorm.weight", {8}));
  have.push_back(has("bert.embeddings.LayerNorm.bias", {8}));
  have.push_back(has("bert.embeddings.word_embeddings.weight", {30, 8}));
  wanted.push_back(wants("bert/embeddings/LayerNorm/gamma", Shape{8}));
  wanted.push_back(wants("bert/embeddings/LayerNorm/beta", Shape{8}));
  wanted.push_back(wants("bert/embeddings/word_embeddings", Shape{30, 8}));
  const Planned out = plan(have, wanted, {.accept_proposed = true});
  EXPECT_TRUE(out.plan.complete()) << out.table();
  EXPECT_EQ(out["bert/encoder/layer_2/attention/self/query/kernel"].fix.permutation, (std::vector<size_t>{1, 0}));
  EXPECT_TRUE(out["bert/embeddings/word_embeddings"].fix.empty());
}

TEST(Plan, AndBackToPyTorch) {
  const Planned out = plan({has("fc1/kernel", {3, 4}), has("conv/kernel", {5, 5, 3, 16})},
                           {wants("fc1.weight", Shape{4, 3}), wants("conv.weight", Shape{16, 3, 5, 5})}, {.accept_proposed = true});
  EXPECT_TRUE(out.plan.complete()) << out.table();
  EXPECT_EQ(out["conv.weight"].fix.permutation, (std::vector<size_t>{3, 2, 0, 1}));
}

TEST(Plan, ScopesAndWordsDifferAtOnce) {
  const Planned out =
      plan({has("module.fc1.weight", {4, 3}), has("module.fc1.bias", {4}), has("module.fc2.weight", {2, 4}), has("module.fc2.bias", {2})},
           {wants("fc1/kernel", Shape{3, 4}), wants("fc1/bias"), wants("fc2/kernel", Shape{4, 2}), wants("fc2/bias", Shape{2})});
  EXPECT_EQ(out["fc1/kernel"].reason, "scope module. removed; transpose (1, 0)");
  EXPECT_EQ(out["fc1/kernel"].remedy, "--accept-proposed");
}

TEST(Plan, SeparatorsDiffer) {
  const Planned out = plan({has("layer_0_kernel", {3, 4}), has("enc.1.bias")}, {wants("layer/0/kernel", Shape{3, 4}), wants("enc_1/bias")},
                           {.accept_proposed = true});
  EXPECT_TRUE(out.plan.complete()) << out.table();
}

TEST(Plan, AMovingAverageIsProposed) {
  const Planned out = plan({has("w/ExponentialMovingAverage", {4}, DType::float32, Role::slot)}, {wants("w")});
  EXPECT_EQ(out.verdict("w"), "proposed! w/ExponentialMovingAverage");
  EXPECT_EQ(out["w"].reason, "its moving average");
}

TEST(Plan, TheOnlyOneOfItsShapeAndLastWordIsProposed) {
  const Planned out = plan({has("some/where/projection", {7, 3})}, {wants("else/projection", Shape{7, 3}), wants("other", Shape{7, 3})});
  EXPECT_EQ(out.verdict("else/projection"), "proposed! some/where/projection");
  EXPECT_EQ(out.verdict("other"), "missing!");
}

TEST(Plan, NumbersAloneAreNoNames) {
  std::vector<Have> have;
  std::vector<Wanted> wanted;
  for (int i = 0; i < 4; ++i) {
    have.push_back(has(concat("optimizer/_trainable_variables/", i)));
    wanted.push_back(wants(concat("layers/batch_normalization/vars/", i)));
  }
  const Planned out = plan(have, wanted);
  for (const PlanRow& row : out.plan.rows) EXPECT_NE(row.verdict, Verdict::proposed) << row.reason;
}

TEST(Plan, ANumberedNameIsKnownByItsShape) {
  const Planned out =
      plan({has("layers/dense/vars/0", {7, 3}), has("layers/dense/vars/1", {3}), has("layers/dense_1/vars/1", {2}), has("odd", {9})},
           {wants("d1/kernel", Shape{7, 3}), wants("d1/bias", Shape{3}), wants("d2/bias", Shape{5}), wants("z", Shape{9})});
  EXPECT_EQ(out.verdict("d1/kernel"), "proposed! layers/dense/vars/0");
  EXPECT_EQ(out["d1/kernel"].reason, "the only one left of this shape and dtype");
  EXPECT_EQ(out.verdict("d1/bias"), "proposed! layers/dense/vars/1");
  EXPECT_EQ(out.verdict("d2/bias"), "missing!");
  EXPECT_EQ(out.verdict("z"), "missing!");
}

TEST(Plan, TwoCandidatesAreBothNamed) {
  const Planned out = plan({has("a/projection", {7, 3}), has("b/projection", {7, 3})}, {wants("c/projection", Shape{7, 3})});
  EXPECT_EQ(out.table(),
            "incomplete: 0 of 1 variable restored\n"
            "\n"
            "ambiguous: 1\n"
            "  c/projection  float32 [7, 3]    2 tensors of this shape, dtype and last word, for 1 variable: a/projection, b/projection\n"
            "    to solve: --rename '^a/projection$=c/projection'\n");
  const std::string json = out.json();
  EXPECT_NE(json.find(R"("verdict":"ambiguous","restored":false,"required":true,"from":null,"candidates":["a/projection","b/projection"])"),
            std::string::npos)
      << json;
}

TEST(Plan, TwentyThousandVariablesAreNoSquare) {
  std::vector<Have> have;
  std::vector<Wanted> wanted;
  for (int layer = 0; layer < 1'000; ++layer) {
    for (int i = 0; i < 10; ++i) {
      have.push_back(has(concat("old/block_", layer, "/part_", i, "/weight"), {8, 16}));
      wanted.push_back(wants(concat("net.h.", layer, ".part_", i, ".kernel"), Shape{16, 8}));
      have.push_back(has(concat("old/block_", layer, "/part_", i, "/bias"), {8}));
      wanted.push_back(wants(concat("net.h.", layer, ".part_", i, ".bias"), Shape{8}));
    }
  }
  const auto start = std::chrono::steady_clock::now();
  const Planned out = plan(std::move(have), std::move(wanted), {.accept_proposed = true});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_TRUE(out.plan.complete());
  EXPECT_EQ(out.verdict("net.h.432.part_7.kernel"), "proposed old/block_432/part_7/weight");
  EXPECT_LT(took.count(), 20) << "for an unhurried machine under a sanitizer";
}

}  // namespace
}  // namespace ferry
