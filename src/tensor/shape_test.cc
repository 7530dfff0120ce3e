#include "ferry/shape.h"

#include <gtest/gtest.h>

#include <vector>

namespace ferry {
namespace {

Shape counting(size_t rank) {
  Shape out;
  for (size_t axis = 0; axis < rank; ++axis) out.append(static_cast<int64_t>(axis) + 1);
  return out;
}

TEST(Shape, CopiesMovesAndGrowsAcrossTheHeapBorder) {
  for (size_t rank = 0; rank < 15; ++rank) {
    const Shape shape = counting(rank);
    ASSERT_EQ(shape.rank(), rank);
    Shape copy = shape;
    EXPECT_EQ(copy, shape);
    const Shape moved = std::move(copy);
    EXPECT_EQ(moved, shape);
    for (size_t other = 0; other < 15; ++other) {
      Shape target = counting(other);
      target = shape;
      EXPECT_EQ(target, shape);
      target = counting(other);
      EXPECT_EQ(target == shape, other == rank);
    }
    for (size_t axis = 0; axis < rank; ++axis) EXPECT_EQ(shape[axis], static_cast<int64_t>(axis) + 1);
    EXPECT_EQ(shape.drop_front(rank), Shape{});
  }
}

TEST(Shape, AssigningItselfChangesNothing) {
  Shape shape = counting(9);
  const Shape& same = shape;
  shape = same;
  EXPECT_EQ(shape, counting(9));
}

TEST(Shape, CountsElementsOrSaysThatItCannot) {
  EXPECT_EQ(Shape{}.num_elements(), 1);
  EXPECT_EQ((Shape{3, 4}).num_elements(), 12);
  EXPECT_EQ((Shape{INT64_MAX}).num_elements(), INT64_MAX);
  EXPECT_EQ((Shape{INT64_MAX, 2}).num_elements(), std::nullopt);
  EXPECT_EQ((Shape{INT64_MAX, INT64_MAX, 0}).num_elements(), 0) << "a zero anywhere makes it nothing";
}

TEST(Shape, CheckedRefusesWhatNoTensorHas) {
  const auto code = [](std::vector<int64_t> dims) { return Shape::checked(dims).status().code(); };
  EXPECT_EQ(code({2, 3}), StatusCode::ok);
  EXPECT_EQ(code({}), StatusCode::ok);
  EXPECT_EQ(code({2, -1}), StatusCode::invalid_argument);
  EXPECT_EQ(code({INT64_MAX, 2}), StatusCode::invalid_argument);
  EXPECT_EQ(code(std::vector<int64_t>(254, 1)), StatusCode::ok);
  EXPECT_EQ(code(std::vector<int64_t>(255, 1)), StatusCode::limit_exceeded);
}

TEST(Shape, PrintsAsAList) {
  EXPECT_EQ(Shape{}.to_string(), "[]");
  EXPECT_EQ((Shape{3, -1, 0}).to_string(), "[3, -1, 0]");
}

}  // namespace
}  // namespace ferry
