#include <gtest/gtest.h>

#include "ferry/sparse.h"

namespace ferry {
namespace {

SparseTensor coo(Shape shape, std::initializer_list<int64_t> indices, std::initializer_list<float> values) {
  const auto count = static_cast<int64_t>(values.size());
  const auto rank = static_cast<int64_t>(shape.rank());
  return *SparseTensor::coo(std::move(shape), DenseTensor::of<int64_t>(Shape{count, rank}, indices),
                            DenseTensor::of<float>(Shape{count}, values));
}

TEST(Coalesce, SumsInInputOrder) {
  const SparseTensor x = coo(Shape{3, 4}, {2, 1, 0, 3, 2, 1}, {1, 2, 4});
  const SparseTensor y = *coalesce(x);
  EXPECT_TRUE(identical(Tensor(y), Tensor(coo(Shape{3, 4}, {0, 3, 2, 1}, {2, 5}))));
  EXPECT_EQ(y.order(), (Order{true, true}));
}

TEST(Coalesce, ErrorNamesTheCoordinateAndBothEntries) {
  const auto y = coalesce(coo(Shape{3, 4}, {2, 1, 0, 3, 2, 1}, {1, 2, 4}), Duplicates::error);
  ASSERT_FALSE(y.ok());
  EXPECT_EQ(y.status().message(), "entries 0 and 2 are both at [2, 1]; choose what to keep: sum, first, last, min or max");
}

TEST(Coalesce, StringsHaveNoSum) {
  const SparseTensor x =
      *SparseTensor::coo(Shape{2}, DenseTensor::of<int64_t>(Shape{2, 1}, {1, 1}), DenseTensor::of_strings(Shape{2}, {"a", "b"}));
  EXPECT_EQ(coalesce(x).status().code(), StatusCode::unsupported);
  EXPECT_EQ(coalesce(x, Duplicates::last)->values().strings()[0], "b");
}

TEST(FromPairs, FindsTheSmallestShape) {
  const SparseTensor x = *from_pairs(DenseTensor::of<int64_t>(Shape{2, 2}, {5, 0, 1, 7}), DenseTensor::of<float>(Shape{2}, {1, 2}));
  EXPECT_EQ(x.shape(), (Shape{6, 8}));
  EXPECT_TRUE(identical(Tensor(x), Tensor(coo(Shape{6, 8}, {1, 7, 5, 0}, {2, 1}))));
}

TEST(FromPairs, OutOfRangeNamesTheEntry) {
  const auto x = from_pairs(DenseTensor::of<int64_t>(Shape{2, 2}, {5, 0, 1, 7}), DenseTensor::of<float>(Shape{2}, {1, 2}), Shape{6, 7});
  ASSERT_FALSE(x.ok());
  EXPECT_EQ(x.status().message(), "entry 1 is at [1, 7], outside shape [6, 7]");
}

TEST(FromDense, KeepsNaNAndDropsNegativeZero) {
  const SparseTensor x = *from_dense(DenseTensor::of<float>(Shape{2, 2}, {NAN, -0.0f, 0.0f, -1.0f}));
  ASSERT_EQ(x.nnz(), 2);
  EXPECT_EQ(x.coordinates()[2], 1);
  EXPECT_TRUE(std::isnan(x.values().values<float>()[0]));
}

TEST(Layouts, GoRoundAndComeBack) {
  const SparseTensor x = coo(Shape{3, 4}, {0, 1, 0, 3, 2, 0, 2, 3}, {1, 2, 3, 4}).with_order({true, true});
  for (Layout a : {Layout::coo, Layout::csr, Layout::csc}) {
    for (Layout b : {Layout::coo, Layout::csr, Layout::csc}) {
      const SparseTensor y = *to_layout(*to_layout(*to_layout(x, a), b), Layout::coo);
      EXPECT_TRUE(identical(Tensor(x), Tensor(y)));
      EXPECT_TRUE(same_values(x, *to_layout(*to_layout(x, a), b)));
      EXPECT_TRUE(identical(Tensor(*to_dense(x)), Tensor(*to_dense(*to_layout(x, a)))));
    }
  }
}

TEST(ToDense, RefusesShapesPastTheLimit) {
  const SparseTensor x = coo(Shape{int64_t{1} << 40, int64_t{1} << 40}, {5, 5}, {1});
  EXPECT_EQ(to_dense(x).status().code(), StatusCode::limit_exceeded);
  EXPECT_EQ(to_layout(coo(Shape{int64_t{1} << 60, 4}, {5, 3}, {1}), Layout::csr).status().code(), StatusCode::limit_exceeded);
}

TEST(ToLayout, CscOfManyMoreRowsThanEntriesBecomesCooWithoutPointersToThem) {
  const int64_t rows = int64_t{1} << 40;
  const auto csc = SparseTensor::csc({rows, 3}, DenseTensor::of<int64_t>({4}, {0, 2, 3, 4}),
                                     DenseTensor::of<int64_t>({4}, {rows - 1, 5, 5, 0}), DenseTensor::of<float>({4}, {1, 2, 3, 4}));
  const auto coo = to_layout(*csc, Layout::coo);
  ASSERT_TRUE(coo.ok()) << coo.status().to_string();
  EXPECT_TRUE(identical(Tensor(coo->indices()), Tensor(DenseTensor::of<int64_t>({4, 2}, {0, 2, 5, 0, 5, 1, rows - 1, 0}))));
  EXPECT_TRUE(identical(Tensor(coo->values()), Tensor(DenseTensor::of<float>({4}, {4, 2, 3, 1}))));
  EXPECT_TRUE(same_values(*csc, *coo));
}

}  // namespace
}  // namespace ferry
