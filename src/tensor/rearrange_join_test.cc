#include <gtest/gtest.h>

#include <numeric>

#include "ferry/rearrange.h"

namespace ferry {
namespace {

template <class T>
DenseTensor counted(const Shape& shape) {
  std::vector<T> values(static_cast<size_t>(*shape.num_elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(static_cast<int>(i));
  return DenseTensor::of<T>(shape, std::span<const T>(values));
}

DenseTensor words(const Shape& shape) {
  std::vector<std::string> texts;
  for (int64_t i = 0; i < *shape.num_elements(); ++i) texts.push_back(i % 3 == 0 ? "" : concat("w", i));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return DenseTensor::of_strings(shape, views);
}

TEST(Rearrange, WhatIsCutAndJoinedIsItselfAgain) {
  for (const Shape& shape : {Shape{7}, Shape{4, 5}, Shape{2, 6, 3}, Shape{2, 1, 4, 3}, Shape{3, 0}, Shape{0, 4}}) {
    for (const DenseTensor& x :
         {counted<uint8_t>(shape), counted<int16_t>(shape), counted<float>(shape), counted<std::complex<double>>(shape), words(shape)}) {
      for (size_t axis = 0; axis < shape.rank(); ++axis) {
        for (int64_t at = 0; at <= shape[axis]; ++at) {
          const auto a = cut(x, axis, 0, at), b = cut(x, axis, at, shape[axis] - at);
          ASSERT_TRUE(a.ok() && b.ok());
          EXPECT_EQ(a->shape()[axis], at);
          const DenseTensor parts[] = {*a, *b};
          const auto whole = join(parts, axis);
          ASSERT_TRUE(whole.ok()) << whole.status().to_string();
          EXPECT_TRUE(identical(Tensor(*whole), Tensor(x))) << shape.to_string() << " axis " << axis << " at " << at;
        }
      }
    }
  }
}

TEST(Rearrange, JoinPutsTheFirstFirst) {
  const DenseTensor parts[] = {DenseTensor::of<int>(Shape{2, 1}, {1, 2}), DenseTensor::of<int>(Shape{2, 2}, {3, 4, 5, 6})};
  EXPECT_TRUE(identical(Tensor(*join(parts, 1)), Tensor(DenseTensor::of<int>(Shape{2, 3}, {1, 3, 4, 2, 5, 6}))));
  EXPECT_FALSE(join(parts, 0).ok());
  EXPECT_FALSE(join(parts, 2).ok());
  EXPECT_FALSE(join({}, 0).ok());
  EXPECT_FALSE(cut(parts[0], 1, 0, 2).ok());
  EXPECT_FALSE(cut(parts[0], 2, 0, 1).ok());
}

TEST(Rearrange, AxesWhoseProductOverflowsAreNoTrouble) {
  const Shape huge{int64_t{1} << 40, int64_t{1} << 40, 0};
  const auto none = DenseTensor::make(DType::float32, huge, Buffer());
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(cut(*none, 2, 0, 0).ok());
  const DenseTensor parts[] = {*none, *none};
  EXPECT_TRUE(join(parts, 2).ok());
}

}  // namespace
}  // namespace ferry
