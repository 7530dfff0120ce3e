#include "ferry/tensor_map.h"

#include <gtest/gtest.h>

#include <string>

namespace ferry {
namespace {

Tensor number(int32_t value) { return DenseTensor::scalar<int32_t>(value); }

TEST(TensorMap, KeepsTheOrderOfArrival) {
  TensorMap map;
  for (const char* name : {"b", "a", "", "c"}) ASSERT_TRUE(map.add(name, number(1)).ok());
  std::string order;
  for (const auto& entry : map) order += entry.name + ".";
  EXPECT_EQ(order, "b.a..c.");
}

TEST(TensorMap, RefusesASecondTensorOfTheName) {
  TensorMap map;
  ASSERT_TRUE(map.add("x", number(1)).ok());
  EXPECT_EQ(map.add("x", number(2)).message(), "two tensors are named 'x'");
  EXPECT_EQ(map.size(), 1u);
  map.set("x", number(3));
  EXPECT_TRUE(identical(map.find("x")->tensor, number(3)));
}

TEST(TensorMap, FindsAndErasesAmongMany) {
  // From a scan to a table and back.
  constexpr int kCount = 500;
  TensorMap map;
  for (int i = 0; i < kCount; ++i) {
    ASSERT_TRUE(map.add(concat("t", i), number(i)).ok());
    EXPECT_FALSE(map.add(concat("t", i / 2), number(i)).ok());
    EXPECT_EQ(map.find("none"), nullptr);
  }
  for (int i = 0; i < kCount; ++i) ASSERT_TRUE(identical(map.find(concat("t", i))->tensor, number(i)));
  for (int i = 0; i < kCount; i += 2) EXPECT_TRUE(map.erase(concat("t", i)));
  EXPECT_FALSE(map.erase("t0"));
  for (int i = 0; i < kCount; ++i) EXPECT_EQ(map.find(concat("t", i)) != nullptr, i % 2 == 1);
  for (int i = 1; i < kCount; i += 2) EXPECT_TRUE(map.erase(concat("t", i)));
  EXPECT_TRUE(map.empty());
  EXPECT_TRUE(map.add("t0", number(0)).ok());
}

TEST(TensorMap, IsIdenticalToItsCopyAndToNoOther) {
  TensorMap a;
  ASSERT_TRUE(a.add("x", number(1)).ok());
  ASSERT_TRUE(a.add("y", number(2)).ok());
  TensorMap b = a;
  EXPECT_TRUE(identical(a, b));
  b.set("y", number(3));
  EXPECT_FALSE(identical(a, b));
  TensorMap swapped;
  ASSERT_TRUE(swapped.add("y", number(2)).ok());
  ASSERT_TRUE(swapped.add("x", number(1)).ok());
  EXPECT_FALSE(identical(a, swapped));
}

TEST(Metadata, SetsFindsAndErases) {
  Metadata m;
  m.set("a", "1");
  m.set("b", "2");
  m.set("a", "3");
  EXPECT_EQ(m.size(), 2u);
  EXPECT_EQ(*m.find("a"), "3");
  EXPECT_EQ(m.find("c"), nullptr);
  EXPECT_TRUE(m.erase("a"));
  EXPECT_FALSE(m.erase("a"));
}

}  // namespace
}  // namespace ferry
