// Restore plans: every verdict by the sentence that people read, and the same in JSON.
#include "ferry/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "checkpoint/plan_language_test.h"

namespace ferry {
namespace {

using namespace plan_language;

// ---- By name

TEST(Plan, ByKeyBeforePathBeforeName) {
  Have a = has("kernel"), b = has("kernel");
  a.key = "model/layer-1/kernel/.ATTRIBUTES/VARIABLE_VALUE";
  a.path = "model/layer-1/kernel";
  a.name = "dense/kernel";
  b.key = "model/layer-2/kernel/.ATTRIBUTES/VARIABLE_VALUE";
  b.path = "model/layer-2/kernel";
  b.name = "dense_1/kernel";
  Wanted by_key = wants("x"), by_path = wants("dense/kernel"), by_name = wants("dense_1/kernel:0");
  by_key.key = a.key;
  by_path.path = b.path;
  const Planned out = plan({a, b}, {by_key, by_path, by_name});
  EXPECT_EQ(out.verdict("x"), concat("key ", a.key));
  EXPECT_EQ(out.verdict("dense/kernel"), concat("path ", b.key));
  EXPECT_EQ(out.verdict("dense_1/kernel:0"), concat("name ", b.key));
  EXPECT_TRUE(out.plan.complete());
}

TEST(Plan, NamesOnlyAreKeysOfASaversCheckpoint) {
  const Planned out = plan({has("w"), has("b", {2})}, {wants("w:0"), wants("b", Shape{2})});
  EXPECT_EQ(out.verdict("w:0"), "name w");
  EXPECT_EQ(out.verdict("b"), "key b");
  EXPECT_EQ(out.table(), "complete: 2 of 2 variables restored (1 by key, 1 by name)\n");
}

TEST(Plan, UnknownAxesAndAnyShapeOrDTypeFit) {
  const Planned out = plan({has("a", {7, 2}), has("b", {3}), has("c", {})},
                           {wants("a", Shape{-1, 2}), wants("b", std::nullopt, std::nullopt), wants("c", Shape{})});
  EXPECT_TRUE(out.plan.complete());
}

TEST(Plan, APathIsFoundByTheGraphHoweverItGoes) {
  Have a = has("k");
  a.path = "model/layer-1/kernel";
  a.name = "";
  Wanted w = wants("");
  w.path = "model/layers/3/kernel";
  PlanOptions options;
  options.find_path = [](std::string_view path) { return path == "model/layers/3/kernel" ? std::optional<size_t>(0) : std::nullopt; };
  EXPECT_EQ(plan({a}, {w}, options).verdict("model/layers/3/kernel"), "path k");
}

TEST(Plan, NamesThatSeveralShareAreSettledByPaths) {
  std::vector<Have> have;
  std::vector<Wanted> wanted;
  for (int i = 0; i < 3; ++i) {
    Have h = has("kernel", {4, 4});
    h.path = concat("layers/", i, "/kernel");
    h.key = concat(h.path, "/.ATTRIBUTES/VARIABLE_VALUE");
    have.push_back(h);
    Wanted w = wants("kernel", Shape{4, 4});
    w.path = concat("model/layers/", i, "/kernel");
    wanted.push_back(w);
  }
  const Planned out = plan(have, wanted);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(out.verdict(concat("model/layers/", i, "/kernel")), concat("proposed! layers/", i, "/kernel/.ATTRIBUTES/VARIABLE_VALUE"));
  }
  EXPECT_EQ(out.plan.rows[0].reason, "scope model/ added");
}

// ---- Rules

TEST(Plan, RulesRenameWhatThereIs) {
  const Planned out = plan({has("old/w"), has("old/b", {2})}, {wants("new/w"), wants("new/b", Shape{2})}, {}, {"x=y", "^old/=new/"});
  EXPECT_EQ(out.verdict("new/w"), "rule old/w");
  EXPECT_EQ(out["new/w"].rule, 1u);
  EXPECT_EQ(out["new/w"].reason, "by rule 2 (^old/=new/)");
  EXPECT_TRUE(out.plan.complete());
}

TEST(Plan, ARuleIsStrongerThanTheNameAndFreesIt) {
  const Planned out = plan({has("w"), has("w/EMA")}, {wants("w")}, {}, {"/EMA$="});
  EXPECT_EQ(out.verdict("w"), "rule w/EMA");
  EXPECT_EQ(out.use("w"), "unexpected");
  const Planned swapped = plan({has("a"), has("b")}, {wants("a"), wants("b")}, {}, {"^a$=t", "^b$=a", "^t$=b"});
  EXPECT_EQ(swapped.verdict("a"), "rule b");
  EXPECT_EQ(swapped.verdict("b"), "rule a");
}

TEST(Plan, TwoTensorsRenamedAlikeAreAmbiguous) {
  const Planned out = plan({has("a/w"), has("b/w")}, {wants("w")}, {}, {"^.*/="});
  EXPECT_EQ(out.verdict("w"), "ambiguous!");
  EXPECT_EQ(out["w"].candidates, (std::vector<size_t>{0, 1}));
  EXPECT_NE(out["w"].reason.find("a/w, b/w"), std::string::npos) << out["w"].reason;
}

// ---- Shapes and dtypes

TEST(Plan, ShapesThatDifferSayWhatWouldFit) {
  const struct {
    Shape have, wanted;
    std::string_view words, remedy;
  } cases[] = {
      {{3, 4}, {4, 3}, "transpose (1, 0)", "--fix transpose"},
      {{16, 3, 5, 7}, {5, 7, 3, 16}, "transpose (2, 3, 1, 0): OIHW → HWIO", "--fix transpose"},
      {{2, 3, 4}, {4, 2, 3}, "transpose (2, 0, 1)", "--fix transpose"},
      {{1200, 8}, {1250, 8}, "grow by 50 rows (kept as they are)", "--fix resize"},
      {{1201, 8}, {1200, 8}, "cut off the last 1 row", "--fix resize"},
      {{8, 3}, {8, 5}, "grow by 2 elements along axis 1 (kept as they are)", "--fix resize"},
      {{1, 4}, {4}, "remove axes of 1: [1, 4] → [4]", "--fix axes"},
      {{4}, {4, 1, 1}, "add axes of 1: [4] → [4, 1, 1]", "--fix axes"},
      {{1, 4}, {4, 1}, "move axes of 1: [1, 4] → [4, 1]", "--fix axes"},
      {{2, 6}, {3, 4}, "reshape [2, 6] → [3, 4]", "--fix reshape"},
      {{12}, {3, 4}, "reshape [12] → [3, 4]", "--fix reshape"},
  };
  for (const auto& c : cases) {
    const Planned out = plan({has("w", c.have)}, {wants("w", c.wanted)});
    EXPECT_EQ(out.verdict("w"), "shape! w") << c.words;
    EXPECT_TRUE(out["w"].reason.ends_with(concat("; would fit: ", c.words))) << out["w"].reason;
    EXPECT_EQ(out["w"].remedy, c.remedy);
    PlanOptions options;
    options.fixes = {true, true, true, true, true};
    EXPECT_EQ(plan({has("w", c.have)}, {wants("w", c.wanted)}, options).verdict("w"), "key w") << c.words;
  }
  // Made empty, to be filled by restoring: TensorFlow refuses other rows than none, unless their number was left open.
  const Planned empty = plan({has("w", {3, 2})}, {wants("w", Shape{0, 2})});
  EXPECT_EQ(empty["w"].remedy, "make the variable with a length that is not fixed, shape=[?, 2], or --allow-partial to leave it as it is");
  EXPECT_EQ(plan({has("w", {3, 2})}, {wants("w", Shape{-1, 2})}).verdict("w"), "key w");
  const Planned none = plan({has("w", {3, 4})}, {wants("w", Shape{5, 6})});
  EXPECT_EQ(none["w"].reason, "[3, 4] in the checkpoint, [5, 6] wanted; no change of shape keeps the values");
}

TEST(Plan, AGrownEmbeddingAsTableAndJson) {
  const Planned out = plan({has("emb/embeddings", {1200, 8})}, {wants("emb/embeddings", Shape{1250, 8})});
  EXPECT_EQ(out.table(),
            "incomplete: 0 of 1 variable restored\n"
            "\n"
            "shape differs: 1\n"
            "  emb/embeddings  float32 [1250, 8]    [1200, 8] in the checkpoint, [1250, 8] wanted; would fit: grow by 50 rows "
            "(kept as they are)\n"
            "    to solve: --fix resize\n");
  EXPECT_NE(out.json().find(R"("fix":{"resize":{"axis":0,"from":1200,"to":1250}})"), std::string::npos) << out.json();
}

TEST(Plan, DTypesThatDifferSayWhetherTheCastLoses) {
  const Planned out = plan({has("w", {4}, DType::float16), has("v", {4}, DType::float64), has("s", {4}, DType::string)},
                           {wants("w"), wants("v"), wants("s")});
  EXPECT_EQ(out["w"].reason, "float16 in the checkpoint, float32 wanted; would fit: cast float16 → float32 (lossless)");
  EXPECT_EQ(out["w"].remedy, "--fix cast");
  EXPECT_EQ(out["v"].reason, "float64 in the checkpoint, float32 wanted; would fit: cast float64 → float32 (may lose digits or range)");
  EXPECT_EQ(out["s"].reason, "string in the checkpoint, float32 wanted; there is no cast between them");
  EXPECT_EQ(out.verdict("s"), "dtype! s");
}

TEST(Plan, CastsThatLoseNothing) {
  using enum DType;
  const std::pair<DType, DType> good[] = {{float16, float32},     {bfloat16, float32},      {float32, float64}, {int8, int16},
                                          {uint8, int16},         {bool_, uint8},           {int32, float64},   {int16, float32},
                                          {uint8, float16},       {uint8, bfloat16},        {int8, bfloat16},   {float32, complex64},
                                          {float8_e5m2, float16}, {float8_e4m3fn, float16}, {int4, int8},       {uint4, int8}};
  const std::pair<DType, DType> bad[] = {{float32, float16}, {float32, bfloat16},  {float16, bfloat16}, {bfloat16, float16},
                                         {int64, float64},   {int32, float32},     {int8, uint8},       {uint8, int8},
                                         {float32, int64},   {complex64, float32}, {uint8, bool_},      {float8_e4m3fn, float8_e5m2},
                                         {string, float32},  {int16, float16}};
  for (const auto& [from, to] : good) EXPECT_TRUE(cast_is_lossless(from, to)) << dtype_name(from) << " " << dtype_name(to);
  for (const auto& [from, to] : bad) EXPECT_FALSE(cast_is_lossless(from, to)) << dtype_name(from) << " " << dtype_name(to);
  for (const DType dtype : kAllDTypes) EXPECT_TRUE(cast_is_lossless(dtype, dtype));
}

// ---- Optimizers

std::vector<Have> trained() {
  std::vector<Have> out = dense_layers("");
  for (const std::string slot : {"m", "v"}) {
    for (const Have& weight : dense_layers("")) {
      Have h = has(concat(weight.name, "/Adam_", slot), weight.shape, DType::float32, Role::slot);
      h.slot_name = slot;
      h.slot_of = weight.key;
      out.push_back(h);
    }
  }
  out.push_back(has("iterations", {}, DType::int64, Role::counter));
  return out;
}

TEST(Plan, SlotsOfTheCheckpointAreLeftWhereNobodyWantsThem) {
  const Planned out = plan(trained(), dense_layers_wanted(""));
  EXPECT_EQ(out.table(),
            "complete: 4 of 4 variables restored (4 by key)\n"
            "\n"
            "left in the checkpoint: 8 slots, 1 counter\n");
}

TEST(Plan, AMissingOptimizerMattersWhereSlotsAreAskedFor) {
  std::vector<Wanted> wanted = dense_layers_wanted("");
  for (const Have& have : trained()) {
    if (have.role == Role::weight) continue;
    wanted.push_back(wants(have.name, have.shape, have.dtype, have.role));
    wanted.back().slot_of = have.slot_of;
    wanted.back().slot_name = have.slot_name;
  }
  const Planned without = plan(dense_layers(""), wanted);
  EXPECT_EQ(without.table(),
            "complete: 4 of 4 variables restored (4 by key)\n"
            "8 variables of the optimizer not asked for (--slots)\n"
            "\n"
            "missing, not required: 1\n"
            "  iterations  int64 []    nothing in the checkpoint fits it\n");
  const Planned with = plan(dense_layers(""), wanted, {.slots = true});
  EXPECT_FALSE(with.plan.complete());
  EXPECT_EQ(with["dense/kernel/Adam_m"].reason, "the checkpoint has no such slot");
  EXPECT_TRUE(plan(trained(), wanted, {.slots = true}).plan.complete());
}

TEST(Plan, SlotsFollowTheirVariables) {
  std::vector<Wanted> wanted;
  for (const Have& have : dense_layers("new/")) {
    wanted.push_back(wants(have.name, have.shape));
    wanted.push_back(wants(concat("opt/", have.name, "/first_moment"), have.shape, DType::float32, Role::slot));
    wanted.back().slot_of = have.name;
    wanted.back().slot_name = "m";
  }
  const Planned out = plan(trained(), wanted, {.slots = true}, {"^=new/"});
  EXPECT_TRUE(out.plan.complete()) << out.table();
  EXPECT_EQ(out.verdict("opt/new/dense/kernel/first_moment"), "path dense/kernel/Adam_m");
}

// ---- What is left

TEST(Plan, LeftoversAreNamed) {
  const Planned out = plan({has("w"), has("old/w2", {9})}, {wants("w"), wants("gone", Shape{5})}, {.allow_partial = true});
  EXPECT_EQ(out.table(),
            "partial: 1 of 2 variables restored (1 by key)\n"
            "\n"
            "missing: 1\n"
            "  gone  float32 [5]    nothing in the checkpoint fits it\n"
            "    to solve: --rename 'REGEX=NAME', or --allow-partial to leave it as it is\n"
            "\n"
            "left in the checkpoint: 1 unexpected\n"
            "  old/w2  float32 [9]  no variable wants it\n");
  EXPECT_TRUE(out.plan.applicable());
  EXPECT_FALSE(out.plan.complete());
}

TEST(Plan, NothingOfNothing) {
  EXPECT_EQ(plan({}, {}).table(), "complete: 0 of 0 variables restored\n");
  EXPECT_FALSE(plan({}, {wants("w")}).plan.complete());
  EXPECT_EQ(plan({has("")}, {wants("")}).plan.rows[0].verdict, Verdict::proposed);
}

TEST(Plan, NamesAreSafeToPrint) {
  const Planned out = plan({has("a\x1b[2Jb"), has("\xff")}, {wants("c\nd", Shape{77})});
  EXPECT_EQ(out.table().find('\x1b'), std::string::npos);
  EXPECT_EQ(out.json().find('\xff'), std::string::npos);
}

TEST(Plan, JsonHasEveryRowAndTensor) {
  const Planned out = plan({has("fc.weight", {4, 3}), has("x", {1}, DType::int64, Role::counter)}, {wants("fc/kernel", Shape{3, -1})});
  EXPECT_EQ(
      out.json(),
      R"j({"schema":1,"checkpoint":"c","target":"t","complete":false,"allow_partial":false,"counts":{"key":0,"path":0,"name":0,"rule":0,)j"
      R"j("proposed":1,"missing":0,"shape":0,"dtype":0,"ambiguous":0,"skipped":0,"restored":0},"variables":[{"name":"fc/kernel","path":"",)j"
      R"j("key":"","dtype":"float32","shape":[3,null],"role":"weight","verdict":"proposed","restored":false,"required":true,)j"
      R"j("from":"fc.weight","candidates":[],"rule":null,"fix":{"transpose":[1,0]},)j"
      R"j("reason":"the same name, weight for kernel; transpose (1, 0)","remedy":"--accept-proposed"}],)j"
      R"j("unused":{"unsettled":1,"slot":0,"counter":1,"state":0,"other":0,"unexpected":0},"tensors":[{"key":"fc.weight",)j"
      R"j("name":"fc.weight","path":"","dtype":"float32","shape":[4,3],"role":"weight","use":"unsettled","reason":"could be for fc/kernel"},)j"
      R"j({"key":"x","name":"x","path":"","dtype":"int64","shape":[1],"role":"counter","use":"counter","reason":"counter"}]})j"
      "\n");
}

TEST(Plan, ThousandsOfOneNameAreNoSquareEither) {
  std::vector<Have> have;
  std::vector<Wanted> wanted;
  for (int i = 0; i < 20'000; ++i) {
    have.push_back(has("kernel"));
    have.back().key = concat("k", i);
    wanted.push_back(wants("kernel"));
  }
  const Planned out = plan(std::move(have), std::move(wanted));
  EXPECT_EQ(out.plan.rows[0].verdict, Verdict::ambiguous);
  EXPECT_EQ(out.plan.rows[0].candidates.size(), 8u);
}

// Whatever the names: no tensor is proposed twice, rows and uses agree, nothing restored misfits.
TEST(Plan, HoldsItsPromisesForAnyNames) {
  std::mt19937 random(7);
  const std::string_view words[] = {"a",    "b",     "dense",       "dense_1", "dense_2", "layer.3", "kernel", "weight",
                                    "bias", "gamma", "moving_mean", "0",       "1",       "_",       "",       "ExponentialMovingAverage",
                                    ".",    ":0",    "\xff"};
  const Shape shapes[] = {{}, {4}, {3, 4}, {4, 3}, {4, 4}, {1, 4}, {0, 4}, {2, 3, 4}};
  const DType dtypes[] = {DType::float32, DType::float16, DType::int64, DType::string};
  const auto pick = [&](const auto& list) { return list[random() % std::size(list)]; };
  const auto name = [&] {
    std::string out;
    for (size_t n = random() % 4; n > 0; --n) out += concat(pick(words), random() % 3 == 0 ? "." : "/");
    return out + std::string(pick(words));
  };
  for (int round = 0; round < 400; ++round) {
    std::vector<Have> have;
    std::vector<Wanted> wanted;
    for (size_t n = random() % 12; n > 0; --n) have.push_back(has(name(), pick(shapes), pick(dtypes), static_cast<Role>(random() % 5)));
    for (size_t n = random() % 12; n > 0; --n) {
      wanted.push_back(wants(name(), pick(shapes), pick(dtypes), static_cast<Role>(random() % 5)));
      if (random() % 3 == 0) wanted.back().path = name();
      if (random() % 5 == 0) wanted.back().shape.reset();
    }
    PlanOptions options{.slots = random() % 2 == 0, .accept_proposed = random() % 2 == 0};
    options.fixes = {random() % 2 == 0, random() % 2 == 0, random() % 2 == 0, random() % 2 == 0, random() % 2 == 0};
    const Planned out = plan(have, wanted, options, {"^a/=b/"});
    EXPECT_FALSE(out.json().empty());
    std::vector<size_t> proposed;
    for (const PlanRow& row : out.plan.rows) {
      if (row.verdict == Verdict::proposed) proposed.push_back(*row.have);
      EXPECT_FALSE(row.restored && row.verdict == Verdict::proposed && !options.accept_proposed);
      if (!row.restored) continue;
      ASSERT_TRUE(row.have.has_value());
      EXPECT_EQ(out.plan.uses[*row.have].use, Use::used);
      const Have& from = out.have[*row.have];
      const Wanted& to = out.wanted[row.wanted];
      Shape shape = from.shape;
      if (!row.fix.permutation.empty()) {
        for (size_t i = 0; i < shape.rank(); ++i) shape[i] = from.shape[row.fix.permutation[i]];
      }
      if (row.fix.reshaped) shape = *row.fix.reshaped;
      if (row.fix.resized) shape[row.fix.resized->axis] = row.fix.resized->to;
      EXPECT_TRUE(!to.shape || shape == *to.shape);
      EXPECT_EQ(row.fix.cast ? *row.fix.cast : from.dtype, *to.dtype);
    }
    std::sort(proposed.begin(), proposed.end());
    EXPECT_TRUE(std::adjacent_find(proposed.begin(), proposed.end()) == proposed.end()) << out.table();
  }
}

}  // namespace
}  // namespace ferry
