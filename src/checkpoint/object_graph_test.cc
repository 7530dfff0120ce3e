#include <gtest/gtest.h>

#include "checkpoint/graph_language_test.h"
#include "ferry/checkpoint.h"

namespace ferry {
namespace {

using testing_support::GraphText;

std::string key_of(std::string_view path) { return concat(path, "/.ATTRIBUTES/VARIABLE_VALUE"); }

// What tf.train.Checkpoint(model=…, optimizer=…) writes with Keras 3: the kernel hangs on the optimizer by a shorter way than on the model.
GraphText keras3() {
  GraphText out;
  out.node().child("optimizer", 1).child("model", 2);
  out.node().child("_trainable_variables", 3).child("_iterations", 4).child("_momentums", 5).child("_variables", 8);
  out.node().child("_layers", 6).child("optimizer", 1);
  out.node().child("0", 7);
  out.variable("adam/iteration", "optimizer/_iterations");
  out.node().child("0", 9);
  out.node().child("0", 10);
  out.variable("seq/d1/kernel", "optimizer/_trainable_variables/0");
  out.node().child("0", 4).child("1", 9);
  out.variable("adam/seq_d1_kernel_momentum", "optimizer/_variables/1");
  out.node().child("kernel", 7).child("me", 6);
  return out;
}

TEST(ObjectGraph, PathAvoidsOptimizersWhereThereIsAnotherWay) {
  const auto graph = keras3().parse();
  ASSERT_TRUE(graph.ok()) << graph.status().to_string();
  EXPECT_EQ(graph->size(), 11u);
  EXPECT_TRUE(graph->problems().empty());
  EXPECT_EQ(graph->path_of(0), "");
  EXPECT_EQ(graph->path_of(7), "model/_layers/0/kernel");
  EXPECT_EQ(graph->path_of(4), "optimizer/_iterations");
  EXPECT_EQ(graph->path_of(9), "optimizer/_momentums/0");
  EXPECT_TRUE(graph->is_optimizer(1));
  EXPECT_FALSE(graph->is_optimizer(2));
  EXPECT_EQ(graph->optimizer_of(7), std::nullopt);
  EXPECT_EQ(graph->optimizer_of(9), 1u);
  EXPECT_EQ(graph->path_size(7), graph->path_of(7)->size());
}

TEST(ObjectGraph, AnyWayToAnObjectFindsIt) {
  const auto graph = keras3().parse();
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->find(""), 0u);
  EXPECT_EQ(graph->find("optimizer/_trainable_variables/0"), 7u);
  EXPECT_EQ(graph->find("model/_layers/0/me/0/kernel"), 7u);
  EXPECT_EQ(graph->find("model/nothing"), std::nullopt);
  const auto key = graph->find_key(key_of("optimizer/_trainable_variables/0"));
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(key->first, 7u);
  EXPECT_EQ(key->second, 0u);
  EXPECT_EQ(graph->find_key("nothing"), std::nullopt);
}

TEST(ObjectGraph, KeyThatAnAttributeBeginsIsItsOwn) {
  const auto graph = GraphText()
                         .node()
                         .attribute("table", "", "t/.ATTRIBUTES/table")
                         .attribute("VARIABLE_VALUE", "", "t/.ATTRIBUTES/table-")
                         .attribute("b", "", "t/.ATTRIBUTES/table-aaa")
                         .attribute("odd", "", "u")
                         .parse();
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->find_key("t/.ATTRIBUTES/table-keys"), std::pair(0u, size_t{0}));
  EXPECT_EQ(graph->find_key("t/.ATTRIBUTES/table-aaab"), std::pair(0u, size_t{2}));
  EXPECT_EQ(graph->find_key("t/.ATTRIBUTES/table-"), std::pair(0u, size_t{1}));
  EXPECT_EQ(graph->find_key("t/.ATTRIBUTES/tabl"), std::nullopt);
  EXPECT_EQ(graph->find_key("uv"), std::nullopt);
  EXPECT_EQ(graph->find_key(""), std::nullopt);
}

TEST(ObjectGraph, SlotHasThePathOfItsKey) {
  GraphText text;
  text.node().child("v", 2).child("opt", 1);
  text.node().slot(2, "m.1", 3).child("iter", 4);
  text.variable("w", "v");
  text.variable("Adam/w/m", "v/.OPTIMIZER_SLOT/opt/m..1");
  text.variable("Adam/iter", "opt/iter");
  const auto graph = text.parse();
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->path_of(3), "v/.OPTIMIZER_SLOT/opt/m..1");
  EXPECT_EQ(graph->path_size(3), graph->path_of(3)->size());
  EXPECT_EQ(graph->find("v/.OPTIMIZER_SLOT/opt/m..1"), 3u);
  EXPECT_EQ(graph->find("v/.OPTIMIZER_SLOT/opt/v"), std::nullopt);
  EXPECT_EQ(graph->find("v/.OPTIMIZER_SLOT/"), std::nullopt);
  EXPECT_EQ(graph->optimizer_of(3), 1u);
}

TEST(ObjectGraph, NamesAreEscapedInPaths) {
  const auto graph = GraphText().node().child("a/b.c", 1).node().child("\xff", 2).child("", 3).node().node().child("", 0).parse();
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->path_of(3), "a.Sb..c/");
  EXPECT_EQ(graph->find("a.Sb..c/"), 3u);
  EXPECT_EQ(graph->find("a.Sb..c//"), 0u);
  EXPECT_EQ(graph->path_of(1), "a.Sb..c");
  EXPECT_EQ(graph->find("a.Sb..c/\xff"), 2u);
  EXPECT_EQ(graph->find("a/b.c"), std::nullopt);
}

TEST(ObjectGraph, CyclesAndSharedObjectsEnd) {
  const auto graph = GraphText().node().child("me", 0).child("a", 1).node().child("b", 2).child("root", 0).node().child("a", 1).parse();
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->path_of(2), "a/b");
  EXPECT_EQ(graph->find("me/me/a/b/a/root/a/b"), 2u);
}

TEST(ObjectGraph, ReferencesToNothingAreToldAndLeftOut) {
  const auto graph =
      GraphText().node().child("a", 7).child("b", 1).child("c", -1).slot(0, "m", 9).slot(12, "v", 1).node().child("d", 2).parse();
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->node(0).children.size(), 1u);
  EXPECT_EQ(graph->node(0).children[0].name, "b");
  EXPECT_TRUE(graph->node(0).slots.empty());
  EXPECT_TRUE(graph->node(1).children.empty());
  ASSERT_EQ(graph->problems().size(), 5u);
  EXPECT_EQ(graph->problems()[0], "the child 'a' of object 0 is object 7, and there are 2");
  EXPECT_EQ(graph->problems()[1], "the child 'c' of object 0 is object -1, and there are 2");
}

TEST(ObjectGraph, ManyProblemsAreCounted) {
  GraphText text;
  text.node();
  for (int i = 0; i < 300; ++i) text.child("x", 5);
  const auto graph = text.parse();
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->problems().size(), 101u);
  EXPECT_EQ(graph->problems().back(), "and 200 more");
}

TEST(ObjectGraph, UnreachableObjectHasNoPath) {
  const auto graph = GraphText().node().node().child("x", 0).parse();
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->path_of(1), std::nullopt);
}

TEST(ObjectGraph, OfNoBytesHasNoObjects) {
  const auto graph = ObjectGraph::parse(Buffer());
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->size(), 0u);
  EXPECT_EQ(graph->find(""), std::nullopt);
}

TEST(ObjectGraph, MoreObjectsThanTheLimitAreRefused) {
  Limits limits;
  limits.max_tensors = 1000;
  std::string bytes;
  for (int i = 0; i < 1001; ++i) bytes += std::string("\x0a\0", 2);
  EXPECT_EQ(ObjectGraph::parse(*Buffer::copy_of(bytes), limits).status().code(), StatusCode::limit_exceeded);
  GraphText text;
  text.node();
  for (int i = 0; i < 1001; ++i) text.child("x", 0);
  EXPECT_EQ(text.parse(limits).status().code(), StatusCode::limit_exceeded);
}

TEST(ObjectGraph, ChainIsFollowedAsFarAsNamesMayBeLong) {
  constexpr int kDepth = 200'000;
  std::string bytes;
  for (int i = 0; i < kDepth; ++i) bytes += GraphText().node().child("x", i + 1).bytes();
  const auto graph = ObjectGraph::parse(*Buffer::copy_of(bytes));
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->problems().size(), 1u);  // the last one's child
  EXPECT_EQ(graph->path_of(3), "x/x/x");
  EXPECT_EQ(graph->path_of(30'000)->size(), 59'999u);
  EXPECT_EQ(graph->path_of(40'000), std::nullopt);
}

TEST(ObjectGraph, EveryPrefixAndFlipIsRefusedOrSafe) {
  const std::string whole = keras3().bytes();
  const auto walk = [](const Result<ObjectGraph>& graph) {
    if (!graph.ok()) {
      EXPECT_EQ(graph.status().code(), StatusCode::data_loss);
      return;
    }
    for (uint32_t id = 0; id < graph->size(); ++id) {
      for (const ObjectChild& child : graph->node(id).children) EXPECT_LT(child.node, graph->size());
      for (const ObjectSlot& slot : graph->node(id).slots) EXPECT_LT(std::max(slot.node, slot.original), graph->size());
      EXPECT_EQ(graph->path_of(id).value_or(std::string(graph->path_size(id), 0)).size(), graph->path_size(id));
    }
  };
  for (size_t size = 0; size < whole.size(); ++size) walk(ObjectGraph::parse(*Buffer::copy_of(std::string_view(whole).substr(0, size))));
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    walk(ObjectGraph::parse(*Buffer::copy_of(bytes)));
  }
}

}  // namespace
}  // namespace ferry
