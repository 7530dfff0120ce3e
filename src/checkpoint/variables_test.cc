#include <gtest/gtest.h>

#include <map>

#include "checkpoint/graph_language_test.h"
#include "ferry/checkpoint.h"

namespace ferry {
namespace {

using testing_support::GraphText;

TensorInfo info(std::string_view name, Shape shape = {2}, DType dtype = DType::float32) {
  TensorInfo out;
  out.name = name;
  out.dtype = dtype;
  out.shape = std::move(shape);
  return out;
}

// "weight", "slot m of KEY", "counter", with "(optimizer)" where it is of one.
std::map<std::string, std::string> roles(const std::vector<TensorInfo>& tensors, const ObjectGraph* objects = nullptr) {
  std::map<std::string, std::string> out;
  const auto variables = describe_variables(tensors, objects);
  EXPECT_TRUE(variables.ok()) << variables.status().to_string();
  for (const Variable& at : *variables) {
    std::string text(role_name(at.role));
    if (!at.slot_name.empty()) text += concat(" ", at.slot_name);
    if (!at.slot_of.empty()) text += concat(" of ", at.slot_of);
    if (at.of_optimizer && at.role != Role::slot) text += " (optimizer)";
    out[at.key] = text;
  }
  return out;
}

using Roles = std::map<std::string, std::string>;

TEST(Variables, SaverSlotsAreToldByTheirSuffix) {
  const auto found = roles({info("dense/kernel"), info("dense/kernel/Adam"), info("dense/kernel/Adam_1"),
                            info("train/dense/kernel/Momentum"), info("dense/kernel/ExponentialMovingAverage"),
                            info("loss/ExponentialMovingAverage", {}), info("beta1_power", {}), info("train/beta2_power_1", {}),
                            info("global_step", {}, DType::int64), info("lonely/Adam"), info("training/SGD/dense/kernel/momentum"),
                            info("dense/m"), info("dense"), info("tower/parts"), info("tower/parts/art_0/Adam")});
  EXPECT_EQ(found, (Roles{{"dense/kernel", "weight"},
                          {"dense/kernel/Adam", "slot Adam of dense/kernel"},
                          {"dense/kernel/Adam_1", "slot Adam_1 of dense/kernel"},
                          {"train/dense/kernel/Momentum", "slot Momentum of dense/kernel"},
                          {"dense/kernel/ExponentialMovingAverage", "slot ExponentialMovingAverage of dense/kernel"},
                          {"loss/ExponentialMovingAverage", "state"},
                          {"beta1_power", "state (optimizer)"},
                          {"train/beta2_power_1", "state (optimizer)"},
                          {"global_step", "counter"},
                          {"lonely/Adam", "weight"},
                          {"training/SGD/dense/kernel/momentum", "slot momentum of dense/kernel"},
                          {"dense/m", "weight"},
                          {"dense", "weight"},
                          {"tower/parts", "weight"},
                          {"tower/parts/art_0/Adam", "slot Adam of tower/parts"}}));
}

TEST(Variables, KerasFilesTellByTheirSections) {
  const auto found = roles({info("layers/dense/vars/0"), info("optimizer/vars/0", {}, DType::int64), info("optimizer/vars/1", {}),
                            info("optimizer/vars/2"), info("optimizer/vars/3", {}), info("vars/0")});
  EXPECT_EQ(found, (Roles{{"layers/dense/vars/0", "weight"},
                          {"optimizer/vars/0", "counter (optimizer)"},
                          {"optimizer/vars/1", "state (optimizer)"},
                          {"optimizer/vars/2", "slot"},
                          {"optimizer/vars/3", "slot"},
                          {"vars/0", "weight"}}));
  const auto old =
      describe_variables(std::vector<TensorInfo>{info("model_weights/d1/d1/kernel:0"), info("optimizer_weights/Adam/m/d1/kernel:0"),
                                                 info("optimizer_weights/Adam/iter:0", {}, DType::int64)},
                         nullptr);
  ASSERT_TRUE(old.ok());
  EXPECT_EQ((*old)[0].name, "d1/kernel");
  EXPECT_EQ((*old)[1].role, Role::slot);
  EXPECT_EQ((*old)[1].slot_of, "model_weights/d1/d1/kernel:0");
  EXPECT_EQ((*old)[2].role, Role::counter);
}

TEST(Variables, OtherOptimizersAreToldByTheirSpellings) {
  const auto found =
      roles({info("k"), info("k_slot_vr"), info("k_slot_"), info("bert/x"), info("bert/x/adam_m"), info("state/0/exp_avg"),
             info("state/0/step", {}), info("state/mean"), info("opt_state/0/mu/k"), info("opt_state/0/count", {}, DType::int32)});
  EXPECT_EQ(found, (Roles{{"k", "weight"},
                          {"k_slot_vr", "slot vr of k"},
                          {"k_slot_", "weight"},
                          {"bert/x", "weight"},
                          {"bert/x/adam_m", "slot adam_m of bert/x"},
                          {"state/0/exp_avg", "slot exp_avg"},
                          {"state/0/step", "counter (optimizer)"},
                          {"state/mean", "weight"},
                          {"opt_state/0/mu/k", "slot"},
                          {"opt_state/0/count", "counter (optimizer)"}}));
}

TEST(Variables, PyTorchOptimizerStateIsSlots) {
  const auto found = roles({info("model/fc.weight"), info("optimizer/state/0/step", {}), info("optimizer/state/0/exp_avg"),
                            info("optimizer/param_groups/0/lr", {})});
  EXPECT_EQ(found, (Roles{{"model/fc.weight", "weight"},
                          {"optimizer/state/0/step", "counter (optimizer)"},
                          {"optimizer/state/0/exp_avg", "slot exp_avg"},
                          {"optimizer/param_groups/0/lr", "state (optimizer)"}}));
}

std::string key_of(std::string_view path) { return concat(path, "/.ATTRIBUTES/VARIABLE_VALUE"); }

TEST(Variables, ObjectGraphTellsPathsNamesAndRoles) {
  GraphText text;
  text.node().child("opt", 1).child("model", 2).child("save_counter", 3).child("table", 9).child("rng", 10);
  text.node().child("iter", 4).child("learning_rate", 5).slot(6, "m", 7);
  text.node().child("kernel", 6).child("metrics", 8);
  text.variable("save_counter", "save_counter");
  text.variable("Adam/iter", "opt/iter");
  text.variable("Adam/learning_rate", "opt/learning_rate");
  text.variable("d1/kernel", "model/kernel");
  text.variable("Adam/d1/kernel/m", "model/kernel/.OPTIMIZER_SLOT/opt/m");
  text.variable("total", "model/metrics");
  text.node().attribute("table-keys", "", "table/.ATTRIBUTES/table-keys");
  text.node().child("_state_var", 11);
  text.variable("StateVar", "rng/_state_var");
  const auto graph = text.parse();
  ASSERT_TRUE(graph.ok());
  const std::vector<TensorInfo> tensors{info(key_of("save_counter"), {}, DType::int64),
                                        info(key_of("opt/iter"), {}, DType::int64),
                                        info(key_of("opt/learning_rate"), {}),
                                        info(key_of("model/kernel")),
                                        info(key_of("model/kernel/.OPTIMIZER_SLOT/opt/m")),
                                        info(key_of("model/metrics"), {}),
                                        info("table/.ATTRIBUTES/table-keys"),
                                        info(key_of("rng/_state_var")),
                                        info(ObjectGraph::kKey, {}, DType::string)};
  EXPECT_EQ(roles(tensors, &*graph), (Roles{{key_of("save_counter"), "counter"},
                                            {key_of("opt/iter"), "counter (optimizer)"},
                                            {key_of("opt/learning_rate"), "state (optimizer)"},
                                            {key_of("model/kernel"), "weight"},
                                            {key_of("model/kernel/.OPTIMIZER_SLOT/opt/m"), concat("slot m of ", key_of("model/kernel"))},
                                            {key_of("model/metrics"), "state"},
                                            {"table/.ATTRIBUTES/table-keys", "state"},
                                            {key_of("rng/_state_var"), "state"},
                                            {std::string(ObjectGraph::kKey), "other"}}));
  const auto variables = describe_variables(tensors, &*graph);
  EXPECT_EQ((*variables)[3].path, "model/kernel");
  EXPECT_EQ((*variables)[3].name, "d1/kernel");
  EXPECT_EQ((*variables)[6].path, "table/.ATTRIBUTES/table-keys");
  EXPECT_EQ((*variables)[4].path, "model/kernel/.OPTIMIZER_SLOT/opt/m");
}

TEST(Variables, KeysOfObjectsTellTheirPathWithoutTheGraph) {
  const std::vector<TensorInfo> tensors{info(key_of("model/kernel")), info(key_of("model/kernel/.OPTIMIZER_SLOT/opt/m")),
                                        info(key_of("optimizer/iter"), {}, DType::int64), info(key_of("optimizer/_variables/2"))};
  EXPECT_EQ(roles(tensors), (Roles{{key_of("model/kernel"), "weight"},
                                   {key_of("model/kernel/.OPTIMIZER_SLOT/opt/m"), concat("slot m of ", key_of("model/kernel"))},
                                   {key_of("optimizer/iter"), "counter (optimizer)"},
                                   {key_of("optimizer/_variables/2"), "slot"}}));
  const auto variables = describe_variables(tensors, nullptr);
  EXPECT_EQ((*variables)[0].path, "model/kernel");
  EXPECT_EQ((*variables)[0].name, "model/kernel");
}

TEST(Variables, Keras3SlotsNameTheirVariable) {
  GraphText text;
  text.node().child("optimizer", 1);
  text.node().child("_variables", 2).child("_trainable_variables", 3).child("_iterations", 4).child("_momentums", 5);
  text.node().child("0", 4).child("1", 7);
  text.node().child("0", 6);
  text.variable("adam/iteration", "optimizer/_iterations");
  text.node().child("0", 7);
  text.variable("seq/d1/kernel", "optimizer/_trainable_variables/0");
  text.variable("adam/seq_d1_kernel_momentum", "optimizer/_variables/1");
  const auto graph = text.parse();
  ASSERT_TRUE(graph.ok());
  const std::string kernel = key_of("optimizer/_trainable_variables/0");
  EXPECT_EQ(roles({info(key_of("optimizer/_iterations"), {}, DType::int64), info(kernel), info(key_of("optimizer/_variables/1"))}, &*graph),
            (Roles{{key_of("optimizer/_iterations"), "counter (optimizer)"},
                   {kernel, "weight"},
                   {key_of("optimizer/_variables/1"), concat("slot momentum of ", kernel)}}));
}

TEST(Variables, NamesOfManyScopesTakeNoLongerThanTheirBytes) {
  std::string name;
  for (int i = 0; i < 30'000; ++i) name += "a/";
  const auto found = roles({info(name + "Adam"), info(name + "m"), info("x")});
  EXPECT_EQ(found.size(), 3u);
}

TEST(Variables, PathsLongerThanTheirTensorsAreWorthAreRefused) {
  // A chain of objects, each with a variable: the paths together grow with the square of it.
  constexpr int kDepth = 20'000;
  std::string bytes;
  std::vector<TensorInfo> tensors;
  for (int i = 0; i < kDepth; ++i) {
    bytes += GraphText().node().child("x", i + 1).attribute("VARIABLE_VALUE", "", concat("k", i)).bytes();
    tensors.push_back(info(concat("k", i)));
  }
  const auto graph = ObjectGraph::parse(*Buffer::copy_of(bytes));
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(describe_variables(tensors, &*graph).status().code(), StatusCode::limit_exceeded);
}

}  // namespace
}  // namespace ferry
