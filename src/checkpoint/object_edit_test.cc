#include "checkpoint/object_edit.h"

#include <gtest/gtest.h>

#include "checkpoint/combined_reader.h"
#include "checkpoint/graph_language_test.h"

namespace ferry {
namespace {

using testing_support::GraphText;

std::string key(std::string_view place) { return concat(place, "/.ATTRIBUTES/VARIABLE_VALUE"); }

// root -> model -> (a -> w, b -> w)
ObjectGraph two_layers() {
  return *GraphText()
              .node()
              .child("model", 1)
              .node()
              .child("a", 2)
              .child("b", 4)
              .node()
              .child("w", 3)
              .variable("a/w", "model/a/w")
              .node()
              .child("w", 5)
              .variable("b/w", "model/b/w")
              .parse();
}

Result<ObjectGraph> moved(const ObjectGraph& graph, const KeyMap& keys) {
  ObjectEdit edit(graph);
  FERRY_RETURN_IF_ERROR(edit.move(keys));
  FERRY_ASSIGN_OR_RETURN(Buffer bytes, Buffer::copy_of(edit.bytes()));
  return ObjectGraph::parse(std::move(bytes));
}

std::string key_at(const ObjectGraph& graph, std::string_view path) {
  const auto id = graph.find(path);
  if (!id) return "nobody";
  const auto attributes = graph.node(*id).attributes;
  return attributes.empty() ? "none" : std::string(attributes[0].key);
}

TEST(ObjectEdit, UnchangedIsTheSameGraph) {
  const ObjectGraph graph = two_layers();
  const auto out = moved(graph, {{key("model/a/w"), key("model/a/w")}, {key("model/b/w"), key("model/b/w")}});
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_EQ(out->size(), graph.size());
  EXPECT_EQ(key_at(*out, "model/a/w"), key("model/a/w"));
}

TEST(ObjectEdit, EdgesAreRenamedWhereAllGoAlong) {
  const auto out = moved(two_layers(), {{key("model/a/w"), key("net/x/w")}, {key("model/b/w"), key("net/b/w")}});
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_EQ(out->size(), 6u);
  EXPECT_EQ(key_at(*out, "net/x/w"), key("net/x/w"));
  EXPECT_FALSE(out->find("model"));
  EXPECT_FALSE(out->find("net/a"));
}

TEST(ObjectEdit, OneLeavesTheOthers) {
  const auto out = moved(two_layers(), {{key("model/a/w"), key("far/away/from/w")}, {key("model/b/w"), key("model/b/w")}});
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_EQ(key_at(*out, "far/away/from/w"), key("far/away/from/w"));
  EXPECT_EQ(key_at(*out, "model/b/w"), key("model/b/w"));
  EXPECT_FALSE(out->find("model/a/w"));
}

TEST(ObjectEdit, SwapsAreTwoRenames) {
  const auto out = moved(two_layers(), {{key("model/a/w"), key("model/b/w")}, {key("model/b/w"), key("model/a/w")}});
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_EQ(key_at(*out, "model/a/w"), key("model/a/w"));
  EXPECT_EQ(out->node(*out->find("model/a/w")).attributes[0].full_name, "b/w");
}

TEST(ObjectEdit, WhatIsLeftOutHasNoValue) {
  const auto out = moved(two_layers(), {{key("model/a/w"), key("model/a/w")}});
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(key_at(*out, "model/b/w"), "none");
}

TEST(ObjectEdit, NamesWithDotsAndSlashesStayThemselves) {
  const auto graph = *GraphText().node().child("a/b.c", 1).variable("w", "a.Sb..c").parse();
  const auto out = moved(graph, {{key("a.Sb..c"), key("d..e")}});
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_EQ(out->node(0).children[0].name, "d.e");
}

TEST(ObjectEdit, RefusesAPlaceThatIsTaken) {
  const auto graph = *GraphText().node().child("a", 1).child("b", 2).variable("a", "a").node().parse();
  const auto out = moved(graph, {{key("a"), key("b")}});
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.status().code(), StatusCode::unsupported);
  EXPECT_FALSE(moved(graph, {{key("a"), ".ATTRIBUTES/VARIABLE_VALUE"}}).ok());
}

TEST(ObjectEdit, RegisteredSaversMoveTogetherOrNotAtAll) {
  const auto graph = *GraphText().node().child("t", 1).node().saver("Custom.Saver", "t").parse();
  const auto out = moved(graph, {{"t/keys", "u/keys"}, {"t/values", "u/values"}});
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_EQ(out->node(1).saver_key, "u");
  EXPECT_FALSE(moved(graph, {{"t/keys", "u/keys"}, {"t/values", "t/values"}}).ok());
}

TEST(ObjectEdit, CyclesAreNormal) {
  const auto graph = *GraphText().node().child("self", 0).child("a", 1).node().child("back", 0).child("w", 2).variable("w", "a/w").parse();
  const auto out = moved(graph, {{key("a/w"), key("b/w")}});
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_EQ(key_at(*out, "b/w"), key("b/w"));
  std::vector<std::string> orphans;
  ObjectEdit twice(graph);
  EXPECT_TRUE(twice.merge(ObjectEdit(graph), "A", "B", ObjectEdit::Prefer::none, orphans).ok());
}

TEST(ObjectEdit, MergeIsTheUnion) {
  const auto a = *GraphText().node().child("model", 1).node().child("a", 2).variable("a", "model/a").parse();
  const auto b =
      *GraphText().node().child("model", 1).child("step", 3).node().child("b", 2).variable("b", "model/b").variable("step", "step").parse();
  ObjectEdit both(a);
  std::vector<std::string> orphans;
  ASSERT_TRUE(both.merge(ObjectEdit(b), "A", "B", ObjectEdit::Prefer::none, orphans).ok());
  const auto out = ObjectGraph::parse(*Buffer::copy_of(both.bytes()));
  ASSERT_TRUE(out.ok());
  for (const std::string_view path : {"model/a", "model/b", "step"}) EXPECT_EQ(key_at(*out, path), key(path));
  EXPECT_EQ(out->size(), 5u);
}

TEST(ObjectEdit, MergeRefusesWhatOnlyOneShares) {
  const auto shared = *GraphText().node().child("x", 1).child("y", 1).variable("v", "x").parse();
  const auto apart = *GraphText().node().child("x", 1).child("y", 2).variable("v", "x").variable("w", "y").parse();
  std::vector<std::string> orphans;
  ObjectEdit one(shared), other(apart);
  EXPECT_FALSE(one.merge(ObjectEdit(apart), "A", "B", ObjectEdit::Prefer::none, orphans).ok());
  EXPECT_FALSE(other.merge(ObjectEdit(shared), "A", "B", ObjectEdit::Prefer::none, orphans).ok());
}

TEST(Average, IsRoundedOnceAndExactWhereAllAgree) {
  const auto map = [](float a, double b, int64_t c) {
    TensorMap out;
    EXPECT_TRUE(out.add("f", DenseTensor::of<float>(Shape{2}, {a, 0.1f})).ok());
    EXPECT_TRUE(out.add("d", DenseTensor::scalar(b)).ok());
    EXPECT_TRUE(out.add("i", DenseTensor::scalar(c)).ok());
    return reader_of(std::move(out));
  };
  const auto x = map(1, 0.1, 1), y = map(2, 0.1, 2), z = map(4, 0.1, 3);
  const auto mean = AverageReader::open({{x.get(), "x", 1}, {y.get(), "y", 1}, {z.get(), "z", 1}}, nullptr);
  ASSERT_TRUE(mean.ok());
  EXPECT_TRUE(identical(*(*mean)->read(0), Tensor(DenseTensor::of<float>(Shape{2}, {static_cast<float>(7.0 / 3), 0.1f}))));
  EXPECT_TRUE(identical(*(*mean)->read(1), Tensor(DenseTensor::scalar(0.1))));
  EXPECT_TRUE(identical(*(*mean)->read(2), Tensor(DenseTensor::scalar<int64_t>(3))));
}

}  // namespace
}  // namespace ferry
