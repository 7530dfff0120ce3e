// Expected values are TensorFlow's (tf.RaggedTensor 2.21: to_tensor, to_sparse, from_tensor, from_sparse).
#include "ferry/ragged.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ferry {
namespace {

template <class T>
DenseTensor vec(std::initializer_list<T> values) {
  return DenseTensor::of<T>(Shape{static_cast<int64_t>(values.size())}, values);
}

RaggedTensor ragged(std::initializer_list<int64_t> splits, DenseTensor values) {
  return *RaggedTensor::make({vec<int64_t>(splits)}, std::move(values));
}

// [[1, 2], [], [3, 4, 5]]
RaggedTensor three_rows() { return ragged({0, 2, 2, 5}, vec<int32_t>({1, 2, 3, 4, 5})); }

// [[[1, 2], [3]], [], [[4, 5, 6]]]
RaggedTensor nested() {
  return *RaggedTensor::make({vec<int32_t>({0, 2, 2, 3}), vec<int32_t>({0, 2, 3, 6})}, vec<int32_t>({1, 2, 3, 4, 5, 6}));
}

// Five rows of two in [2, 0, 3].
RaggedTensor with_inner_axis() { return ragged({0, 2, 2, 5}, DenseTensor::of<int32_t>(Shape{5, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9})); }

void expect_same(const Tensor& found, const Tensor& expected) { EXPECT_TRUE(identical(found, expected)) << shape_of(found).to_string(); }

TEST(RaggedLengths, BecomeSplitsAndComeBack) {
  for (const DenseTensor& lengths : {vec<int64_t>({2, 0, 3}), vec<int32_t>({2, 0, 3}), vec<int64_t>({})}) {
    const DenseTensor splits = *splits_from_lengths(lengths);
    EXPECT_EQ(splits.dtype(), lengths.dtype());
    expect_same(*lengths_from_splits(splits), lengths);
  }
  expect_same(*splits_from_lengths(vec<int64_t>({2, 0, 3})), vec<int64_t>({0, 2, 2, 5}));
}

TEST(RaggedLengths, RefuseWhatNoRowCanHave) {
  EXPECT_EQ(splits_from_lengths(vec<int64_t>({2, -1})).status().message(), "row 1 has the length -1, expected 0 or more");
  EXPECT_FALSE(splits_from_lengths(vec<int32_t>({INT32_MAX, 1})).ok());
  EXPECT_FALSE(splits_from_lengths(vec<int64_t>({INT64_MAX, 1})).ok());
  EXPECT_FALSE(splits_from_lengths(vec<float>({1})).ok());
  EXPECT_FALSE(lengths_from_splits(vec<int64_t>({})).ok());
  EXPECT_FALSE(lengths_from_splits(vec<int64_t>({0, 3, 2})).ok());
  EXPECT_FALSE(lengths_from_splits(vec<int64_t>({1, 3})).ok());
}

TEST(RaggedFromLengths, NestsOutermostFirst) {
  const DenseTensor lengths[] = {vec<int32_t>({2, 0, 1}), vec<int32_t>({2, 1, 3})};
  expect_same(*from_lengths(lengths, vec<int32_t>({1, 2, 3, 4, 5, 6})), nested());
}

TEST(RaggedFromLengths, RefusesLengthsThatDoNotAddUp) {
  const DenseTensor lengths[] = {vec<int64_t>({2, 1})};
  EXPECT_FALSE(from_lengths(lengths, vec<float>({1, 2})).ok());
  EXPECT_FALSE(from_lengths({}, vec<float>({1, 2})).ok());
}

TEST(RaggedToDense, PadsToTheLongestRow) {
  expect_same(*to_dense(three_rows()), DenseTensor::of<int32_t>(Shape{3, 3}, {1, 2, 0, 0, 0, 0, 3, 4, 5}));
  expect_same(*to_dense(nested()), DenseTensor::of<int32_t>(Shape{3, 2, 3}, {1, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 4, 5, 6, 0, 0, 0}));
}

TEST(RaggedToDense, WidthCutsOrWidens) {
  const int64_t two[] = {2}, four[] = {4}, mixed[] = {1, -1};
  expect_same(*to_dense(three_rows(), std::nullopt, two), DenseTensor::of<int32_t>(Shape{3, 2}, {1, 2, 0, 0, 3, 4}));
  expect_same(*to_dense(three_rows(), DenseTensor::scalar<int32_t>(9), four),
              DenseTensor::of<int32_t>(Shape{3, 4}, {1, 2, 9, 9, 9, 9, 9, 9, 3, 4, 5, 9}));
  expect_same(*to_dense(nested(), std::nullopt, mixed), DenseTensor::of<int32_t>(Shape{3, 1, 3}, {1, 2, 0, 0, 0, 0, 4, 5, 6}));
}

TEST(RaggedToDense, PadsWholeInnerRows) {
  expect_same(*to_dense(with_inner_axis(), DenseTensor::scalar<int32_t>(7)),
              DenseTensor::of<int32_t>(Shape{3, 3, 2}, {0, 1, 2, 3, 7, 7, 7, 7, 7, 7, 7, 7, 4, 5, 6, 7, 8, 9}));
  expect_same(*to_dense(with_inner_axis(), vec<int32_t>({7, 8})),
              DenseTensor::of<int32_t>(Shape{3, 3, 2}, {0, 1, 2, 3, 7, 8, 7, 8, 7, 8, 7, 8, 4, 5, 6, 7, 8, 9}));
}

TEST(RaggedToDense, PadsStrings) {
  const RaggedTensor x = ragged({0, 2, 3}, DenseTensor::of_strings(Shape{3}, {"a", "bc", "d"}));
  expect_same(*to_dense(x), DenseTensor::of_strings(Shape{2, 2}, {"a", "bc", "d", ""}));
  expect_same(*to_dense(x, DenseTensor::of_strings(Shape{}, {"zz"})), DenseTensor::of_strings(Shape{2, 2}, {"a", "bc", "d", "zz"}));
  const int64_t one[] = {1};
  expect_same(*to_dense(x, std::nullopt, one), DenseTensor::of_strings(Shape{2, 1}, {"a", "d"}));
}

TEST(RaggedToDense, OfNothingIsEmpty) {
  EXPECT_EQ(to_dense(RaggedTensor())->shape(), (Shape{0, 0}));
  EXPECT_EQ(to_dense(ragged({0}, DenseTensor::of<float>(Shape{0, 2}, {})))->shape(), (Shape{0, 0, 2}));
  EXPECT_EQ(to_dense(ragged({0, 2, 3}, DenseTensor::of<float>(Shape{3, 0}, {})))->shape(), (Shape{2, 2, 0}));
  EXPECT_EQ(to_dense(ragged({0, 0}, DenseTensor::of_strings(Shape{0}, {})))->shape(), (Shape{1, 0}));
}

TEST(RaggedToDense, RefusesWhatDoesNotFit) {
  const int64_t huge[] = {int64_t{1} << 62}, negative[] = {-2}, two[] = {1, 1};
  EXPECT_EQ(to_dense(three_rows(), std::nullopt, huge).status().code(), StatusCode::limit_exceeded);
  EXPECT_FALSE(to_dense(three_rows(), std::nullopt, negative).ok());
  EXPECT_FALSE(to_dense(three_rows(), std::nullopt, two).ok());
  EXPECT_FALSE(to_dense(three_rows(), DenseTensor::scalar<float>(1)).ok());
  EXPECT_FALSE(to_dense(three_rows(), vec<int32_t>({1, 2})).ok());
  Limits small;
  small.max_densified_bytes = 35;
  EXPECT_EQ(to_dense(three_rows(), std::nullopt, {}, small).status().code(), StatusCode::limit_exceeded);
  // The offsets fit the limit, the repeated padding does not.
  const RaggedTensor strings = ragged({0, 0, 0, 0}, DenseTensor::of_strings(Shape{0}, {}));
  const int64_t one[] = {1};
  EXPECT_EQ(to_dense(strings, DenseTensor::of_strings(Shape{}, {"0123456789abcdef"}), one, small).status().code(),
            StatusCode::limit_exceeded);
}

TEST(RaggedToSparse, GivesPositionsInTheRows) {
  const SparseTensor x = *to_sparse(nested());
  EXPECT_EQ(x.shape(), (Shape{3, 2, 3}));
  expect_same(x.indices(), DenseTensor::of<int64_t>(Shape{6, 3}, {0, 0, 0, 0, 0, 1, 0, 1, 0, 2, 0, 0, 2, 0, 1, 2, 0, 2}));
  expect_same(x.values(), nested().flat_values());
  EXPECT_TRUE(x.validate(Validation::canonical).ok());
}

TEST(RaggedToSparse, InnerAxesGetCoordinatesToo) {
  const SparseTensor x = *to_sparse(with_inner_axis());
  EXPECT_EQ(x.shape(), (Shape{3, 3, 2}));
  expect_same(x.indices(), DenseTensor::of<int64_t>(
                               Shape{10, 3}, {0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 1, 2, 0, 0, 2, 0, 1, 2, 1, 0, 2, 1, 1, 2, 2, 0, 2, 2, 1}));
}

TEST(RaggedToSparse, OfNothingHasNoWidth) {
  EXPECT_EQ(to_sparse(RaggedTensor())->shape(), (Shape{0, 0}));
  const SparseTensor x = *to_sparse(ragged({0, 2, 3}, DenseTensor::of<float>(Shape{3, 0}, {})));
  EXPECT_EQ(x.shape(), (Shape{2, 2, 0}));
  EXPECT_EQ(x.indices().shape(), (Shape{0, 3}));
}

TEST(RaggedFromDense, PaddingEndsTheRow) {
  const DenseTensor x = DenseTensor::of<int32_t>(Shape{3, 3}, {1, 2, 0, 0, 0, 0, 0, 3, 0});
  expect_same(*ragged_from_dense(x, std::nullopt, DenseTensor::scalar<int32_t>(0)), ragged({0, 2, 2, 4}, vec<int32_t>({1, 2, 0, 3})));
  expect_same(*ragged_from_dense(x, std::nullopt), ragged({0, 3, 6, 9}, vec<int32_t>({1, 2, 0, 0, 0, 0, 0, 3, 0})));
}

TEST(RaggedFromDense, LengthsAreCutToTheRow) {
  const DenseTensor x = DenseTensor::of<int32_t>(Shape{3, 3}, {1, 2, 0, 0, 0, 0, 0, 3, 0});
  expect_same(*ragged_from_dense(x, vec<int64_t>({1, 5, 0})), ragged({0, 1, 4, 4}, vec<int32_t>({1, 0, 0, 0})));
  expect_same(*ragged_from_dense(x, vec<int32_t>({-1, 0, 2})), ragged({0, 0, 0, 2}, vec<int32_t>({0, 3})));
}

TEST(RaggedFromDense, PaddingOfInnerRowsGoesWhole) {
  const DenseTensor x = DenseTensor::of<int32_t>(Shape{3, 2, 2}, {1, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0});
  const RaggedTensor expected = ragged({0, 1, 3, 3}, DenseTensor::of<int32_t>(Shape{3, 2}, {1, 2, 0, 0, 0, 1}));
  expect_same(*ragged_from_dense(x, std::nullopt, vec<int32_t>({0, 0})), expected);
  expect_same(*ragged_from_dense(x, std::nullopt, DenseTensor::scalar<int32_t>(0)), expected);
}

TEST(RaggedFromDense, PaddingIsComparedByValue) {
  const auto rows = [](float padding) {
    const DenseTensor x = DenseTensor::of<float>(Shape{2, 2}, {1, padding, padding, padding});
    return ragged_from_dense(x, std::nullopt, DenseTensor::scalar<float>(padding == 0 ? 0.0f : padding))->flat_values().num_elements();
  };
  EXPECT_EQ(rows(-0.0f), 1);
  EXPECT_EQ(rows(NAN), 4);  // NaN equals nothing: TensorFlow keeps it too
}

TEST(RaggedFromDense, StringsAndEmptyShapesWork) {
  const DenseTensor x = DenseTensor::of_strings(Shape{2, 2}, {"a", "", "", ""});
  expect_same(*ragged_from_dense(x, std::nullopt, DenseTensor::of_strings(Shape{}, {""})),
              ragged({0, 1, 1}, DenseTensor::of_strings(Shape{1}, {"a"})));
  EXPECT_EQ(ragged_from_dense(DenseTensor::of<float>(Shape{0, 3}, {}), std::nullopt)->rows(), 0);
  expect_same(*ragged_from_dense(DenseTensor::of<float>(Shape{2, 0}, {}), std::nullopt), ragged({0, 0, 0}, vec<float>({})));
  EXPECT_FALSE(ragged_from_dense(vec<float>({1}), std::nullopt).ok());
  EXPECT_FALSE(ragged_from_dense(x, vec<int64_t>({1})).ok());
  EXPECT_FALSE(ragged_from_dense(x, std::nullopt, DenseTensor::scalar<float>(0)).ok());
}

TEST(RaggedFromSparse, ReadsRowsFilledFromTheLeft) {
  const SparseTensor coo =
      *SparseTensor::coo(Shape{4, 4}, DenseTensor::of<int64_t>(Shape{3, 2}, {0, 0, 0, 1, 2, 0}), vec<float>({1, 2, 3}));
  const RaggedTensor expected = ragged({0, 2, 2, 3, 3}, vec<float>({1, 2, 3}));
  expect_same(*ragged_from_sparse(coo), expected);
  const SparseTensor csr = *SparseTensor::csr(Shape{4, 4}, vec<int32_t>({0, 2, 2, 3, 3}), vec<int32_t>({0, 1, 0}), vec<float>({1, 2, 3}));
  expect_same(*ragged_from_sparse(csr), expected);
}

TEST(RaggedFromSparse, RefusesGapsAndDisorder) {
  const auto read = [](std::initializer_list<int64_t> at) {
    return ragged_from_sparse(*SparseTensor::coo(Shape{4, 4}, DenseTensor::of<int64_t>(Shape{2, 2}, at), vec<float>({1, 2})));
  };
  EXPECT_FALSE(read({0, 1, 2, 0}).ok());
  EXPECT_FALSE(read({0, 0, 0, 2}).ok());
  EXPECT_FALSE(read({2, 0, 0, 0}).ok());
  EXPECT_FALSE(read({0, 0, 0, 0}).ok());
}

TEST(RaggedIds, BecomeMultiHotRows) {
  const RaggedTensor ids = ragged({0, 2, 2, 3}, vec<int64_t>({7, 3, 9}));
  const SparseTensor x = *ragged_ids_to_csr(ids, 10);
  EXPECT_EQ(x.shape(), (Shape{3, 10}));
  EXPECT_EQ(x.indices().raw(), ids.flat_values().raw()) << "the ids were copied";
  expect_same(x.values(), vec<float>({1, 1, 1}));
  EXPECT_TRUE(x.validate(Validation::bounds).ok());
  EXPECT_FALSE(ragged_ids_to_csr(ids, 9).ok());
  EXPECT_FALSE(ragged_ids_to_csr(ids, -1).ok());
  EXPECT_FALSE(ragged_ids_to_csr(ragged({0, 1}, vec<float>({1})), 9).ok());
  EXPECT_FALSE(ragged_ids_to_csr(ids, 10, DType::string).ok());
  EXPECT_FALSE(ragged_ids_to_csr(ragged({0, 1}, vec<int64_t>({-1})), 9).ok());
}

TEST(RaggedIds, MixedIndexDtypesBecomeInt64) {
  const SparseTensor x = *ragged_ids_to_csr(ragged({0, 1, 2}, vec<int32_t>({1, 0})), 2, DType::bool_);
  EXPECT_EQ(x.index_dtype(), DType::int64);
  expect_same(x.indices(), vec<int64_t>({1, 0}));
  expect_same(x.values(), vec<bool>({true, true}));
}

TEST(RaggedRows, SliceAndConcatAreInverse) {
  for (const RaggedTensor& x :
       {three_rows(), nested(), with_inner_axis(), ragged({0, 1, 3, 3}, DenseTensor::of_strings(Shape{3}, {"a", "", "ccc"}))}) {
    for (int64_t cut = 0; cut <= 3; ++cut) {
      const RaggedTensor parts[] = {*slice_rows(x, 0, cut), *slice_rows(x, cut, 3)};
      EXPECT_EQ(parts[1].rows(), 3 - cut);
      EXPECT_TRUE(parts[1].validate(Validation::bounds).ok());
      expect_same(*concat_rows(parts), x);
    }
    EXPECT_FALSE(slice_rows(x, 0, 4).ok());
    EXPECT_FALSE(slice_rows(x, -1, 2).ok());
    EXPECT_FALSE(slice_rows(x, 2, 1).ok());
  }
  EXPECT_FALSE(concat_rows({}).ok());
  const RaggedTensor unlike[] = {three_rows(), nested()}, dtypes[] = {three_rows(), ragged({0}, vec<float>({}))};
  EXPECT_FALSE(concat_rows(unlike).ok());
  EXPECT_FALSE(concat_rows(dtypes).ok());
}

}  // namespace
}  // namespace ferry
