// Transpose, reshape, slices, gathers and concat against lists of entries, and by example against TensorFlow.
#include <gtest/gtest.h>

#include "support/sparse_model.h"

namespace ferry {
namespace {

using model::any_dtype;
using model::any_index;
using model::any_layout;
using model::Entry;
using model::expect_holds;
using model::Sparse;
using model::tensor_of;

SparseTensor coo(Shape shape, std::initializer_list<int64_t> indices, std::initializer_list<float> values) {
  const auto count = static_cast<int64_t>(values.size()), rank = static_cast<int64_t>(shape.rank());
  return *SparseTensor::coo(std::move(shape), DenseTensor::of<int64_t>(Shape{count, rank}, indices),
                            DenseTensor::of<float>(Shape{count}, values));
}

// Pools of several sizes, and none.
ThreadPool* any_pool() {
  static ThreadPool one(1), two(2), five(5);
  return *rc::gen::element<ThreadPool*>(nullptr, &one, &two, &five);
}

RC_GTEST_PROP(Transpose, MovesEveryCoordinate, ()) {
  const Sparse x = model::arbitrary();
  const DType dtype = any_dtype();
  const Layout layout = any_layout(x);
  std::vector<int64_t> axes(x.shape.size());
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i);
  for (size_t i = axes.size(); i-- > 1;) std::swap(axes[i], axes[*rc::gen::inRange<size_t>(0, i + 1)]);
  Sparse expected = x;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto from = static_cast<size_t>(axes[i]);
    expected.shape[i] = x.shape[from];
    for (size_t e = 0; e < x.entries.size(); ++e) expected.entries[e].at[i] = x.entries[e].at[from];
  }
  const SparseTensor y = *transpose(tensor_of(x, dtype, layout, any_index()), axes, any_pool());
  expect_holds(y, expected, dtype);
  if (layout == Layout::coo) RC_ASSERT(y.order().sorted);
}

TEST(Transpose, WithoutAPermutationReversesTheAxes) {
  const SparseTensor x = coo(Shape{2, 3, 4}, {0, 2, 3, 1, 0, 1}, {5, 6});
  const SparseTensor y = *transpose(x);
  EXPECT_TRUE(identical(Tensor(y), Tensor(coo(Shape{4, 3, 2}, {1, 0, 1, 3, 2, 0}, {6, 5}))));
}

TEST(Transpose, OfCsrSharesEveryByte) {
  const SparseTensor x = *to_layout(coo(Shape{2, 3}, {0, 2, 1, 0}, {5, 6}), Layout::csr);
  const SparseTensor y = *transpose(x);
  EXPECT_EQ(y.layout(), Layout::csc);
  EXPECT_EQ(y.shape(), (Shape{3, 2}));
  EXPECT_EQ(y.values().raw(), x.values().raw());
  EXPECT_EQ(y.indices().raw(), x.indices().raw());
  EXPECT_EQ(y.indptr().raw(), x.indptr().raw());
}

TEST(Transpose, RefusesWhatIsNoPermutation) {
  const SparseTensor x = coo(Shape{2, 3}, {0, 2}, {5});
  const int64_t twice[] = {0, 0}, short_one[] = {0}, outside[] = {0, 2}, negative[] = {-1, 0};
  EXPECT_FALSE(transpose(x, twice).ok());
  EXPECT_FALSE(transpose(x, short_one).ok());
  EXPECT_FALSE(transpose(x, outside).ok());
  EXPECT_FALSE(transpose(x, negative).ok());
}

RC_GTEST_PROP(Reshape, KeepsEachEntrysPositionInRowMajorOrder, ()) {
  const Sparse x = model::arbitrary();
  const DType dtype = any_dtype();
  int64_t count = 1;
  for (int64_t dim : x.shape) count *= dim;
  RC_PRE(count > 0);
  // A random factorisation of the count.
  Sparse expected{{}, x.entries};
  for (int64_t left = count; left > 1 || *rc::gen::arbitrary<bool>();) {
    std::vector<int64_t> divisors;
    for (int64_t d = 1; d <= left; ++d) {
      if (left % d == 0) divisors.push_back(d);
    }
    expected.shape.push_back(*rc::gen::elementOf(divisors));
    left /= expected.shape.back();
  }
  for (Entry& entry : expected.entries) {
    int64_t position = 0;
    for (size_t axis = 0; axis < x.shape.size(); ++axis) position = position * x.shape[axis] + entry.at[axis];
    entry.at.assign(expected.shape.size(), 0);
    for (size_t axis = expected.shape.size(); axis-- > 0; position /= expected.shape[axis])
      entry.at[axis] = position % expected.shape[axis];
  }
  Shape target(std::span<const int64_t>(expected.shape));
  if (target.rank() > 0 && *rc::gen::arbitrary<bool>()) target[*rc::gen::inRange<size_t>(0, target.rank())] = -1;
  expect_holds(*reshape(tensor_of(x, dtype, any_layout(x), any_index()), target), expected, dtype);
}

TEST(Reshape, WorksWhereTheAxesThatStayAreHuge) {
  const int64_t huge = int64_t{1} << 40;
  const SparseTensor x = coo(Shape{huge, 6, huge}, {huge - 1, 5, huge - 2}, {1});
  const SparseTensor y = *reshape(x, Shape{huge, 2, 3, huge});
  EXPECT_TRUE(identical(Tensor(y), Tensor(coo(Shape{huge, 2, 3, huge}, {huge - 1, 1, 2, huge - 2}, {1}))));
  EXPECT_TRUE(reshape(x, Shape{6, huge, huge}).ok());
  EXPECT_EQ(reshape(x, Shape{6, huge, huge / 2, 2}).status().code(), StatusCode::unsupported);
  EXPECT_FALSE(reshape(x, Shape{huge * 6, -1}).ok());
}

TEST(Reshape, OfNothingGoesWhereverNothingFits) {
  const SparseTensor x = coo(Shape{0, 4}, {}, {});
  EXPECT_EQ(reshape(x, Shape{5, 0, 2})->shape(), (Shape{5, 0, 2}));
  EXPECT_EQ(reshape(x, Shape{-1, 2})->shape(), (Shape{0, 2}));
  EXPECT_FALSE(reshape(x, Shape{0, -1}).ok()) << "anything would do";
  EXPECT_FALSE(reshape(x, Shape{2, 2}).ok());
}

TEST(Reshape, ToAndFromAScalar) {
  const SparseTensor x = coo(Shape{1, 1}, {0, 0}, {7});
  const SparseTensor y = *reshape(x, Shape{});
  EXPECT_EQ(y.rank(), 0u);
  EXPECT_TRUE(identical(Tensor(*reshape(y, Shape{1, 1})), Tensor(x)));
}

RC_GTEST_PROP(Slice, KeepsWhatIsInTheWindow, ()) {
  const Sparse x = model::arbitrary();
  const DType dtype = any_dtype();
  std::vector<int64_t> begin, size;
  Sparse expected;
  for (int64_t dim : x.shape) {
    begin.push_back(*rc::gen::inRange<int64_t>(0, dim + 2));
    size.push_back(*rc::gen::element<int64_t>(0, 1, 2, 3, 6, INT64_MAX));
    expected.shape.push_back(std::max<int64_t>(0, std::min(size.back(), dim - begin.back())));
  }
  for (Entry entry : x.entries) {
    bool inside = true;
    for (size_t axis = 0; axis < begin.size(); ++axis) {
      entry.at[axis] -= begin[axis];
      inside &= entry.at[axis] >= 0 && entry.at[axis] < expected.shape[axis];
    }
    if (inside) expected.entries.push_back(entry);
  }
  expect_holds(*slice(tensor_of(x, dtype, any_layout(x), any_index()), begin, size), expected, dtype);
}

TEST(Slice, RefusesNegativeStartsAndSizes) {
  const SparseTensor x = coo(Shape{2, 3}, {0, 2}, {5});
  const int64_t good[] = {0, 1}, bad[] = {0, -1}, three[] = {0, 0, 0};
  EXPECT_FALSE(slice(x, good, bad).ok());
  EXPECT_FALSE(slice(x, bad, good).ok());
  EXPECT_FALSE(slice(x, three, three).ok());
}

RC_GTEST_PROP(SliceRows, AgreesWithSlice, ()) {
  const Sparse x = model::arbitrary();
  const DType dtype = any_dtype();
  const auto begin = *rc::gen::inRange<int64_t>(0, x.shape[0] + 1), end = *rc::gen::inRange<int64_t>(begin, x.shape[0] + 1);
  Sparse expected{x.shape, {}};
  expected.shape[0] = end - begin;
  for (Entry entry : x.entries) {
    entry.at[0] -= begin;
    if (entry.at[0] >= 0 && entry.at[0] < end - begin) expected.entries.push_back(entry);
  }
  expect_holds(*slice_rows(tensor_of(x, dtype, any_layout(x), any_index()), begin, end), expected, dtype);
}

TEST(SliceRows, OfCsrSharesValuesAndIndices) {
  const SparseTensor x = *to_layout(coo(Shape{3, 3}, {0, 2, 1, 0, 2, 1}, {5, 6, 7}), Layout::csr);
  const SparseTensor y = *slice_rows(x, 1, 3);
  EXPECT_EQ(y.values().values<float>().data(), x.values().values<float>().data() + 1);
  EXPECT_EQ(y.indices().values<int32_t>().data(), x.indices().values<int32_t>().data() + 1);
  EXPECT_FALSE(slice_rows(x, 0, 4).ok());
  EXPECT_FALSE(slice_rows(x, 2, 1).ok());
  EXPECT_FALSE(slice_rows(x, -1, 1).ok());
  EXPECT_FALSE(slice_rows(coo(Shape{}, {}, {}), 0, 0).ok());
}

RC_GTEST_PROP(GatherRows, TakesRowsInTheOrderAskedFor, ()) {
  const Sparse x = model::arbitrary();
  const DType dtype = any_dtype();
  RC_PRE(x.shape[0] > 0);
  const auto rows = *rc::gen::container<std::vector<int64_t>>(rc::gen::inRange<int64_t>(0, x.shape[0]));
  Sparse expected{x.shape, {}};
  expected.shape[0] = static_cast<int64_t>(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    for (Entry entry : x.entries) {
      if (entry.at[0] != rows[i]) continue;
      entry.at[0] = static_cast<int64_t>(i);
      expected.entries.push_back(entry);
    }
  }
  const Layout layout = any_layout(x);
  const SparseTensor y = *gather_rows(tensor_of(x, dtype, layout, any_index()), rows, any_pool());
  RC_ASSERT(y.layout() == layout);
  expect_holds(y, expected, dtype);
}

TEST(GatherRows, NamesTheRowThatIsNotThere) {
  const SparseTensor x = coo(Shape{2, 3}, {0, 2}, {5});
  const int64_t rows[] = {0, 2};
  EXPECT_EQ(gather_rows(x, rows).status().message(), "row 2 (number 1 of those asked for) is not among the 2 rows");
  EXPECT_EQ(gather_rows(x, {})->shape(), (Shape{0, 3}));
}

RC_GTEST_PROP(Concat, PutsThePartsBehindOneAnother, ()) {
  Sparse expected = model::arbitrary();
  const DType dtype = any_dtype();
  const Layout layout = any_layout(expected);
  const auto rank = static_cast<int64_t>(expected.shape.size());
  const auto axis = *rc::gen::inRange<int64_t>(-rank, rank);
  const auto a = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  // Cut the whole into parts; what must come back is known.
  std::vector<SparseTensor> parts;
  int64_t at = 0;
  const auto pieces = *rc::gen::inRange(1, 5);
  for (int i = 0; i < pieces; ++i) {
    const int64_t end = i + 1 == pieces ? expected.shape[a] : *rc::gen::inRange<int64_t>(at, expected.shape[a] + 1);
    Sparse part{expected.shape, {}};
    part.shape[a] = end - at;
    for (Entry entry : expected.entries) {
      if (entry.at[a] < at || entry.at[a] >= end) continue;
      entry.at[a] -= at;
      part.entries.push_back(entry);
    }
    parts.push_back(tensor_of(part, dtype, layout, any_index()));
    at = end;
  }
  const SparseTensor whole = *concat(parts, axis, any_pool());
  RC_ASSERT(whole.layout() == layout);
  if (layout == Layout::coo) RC_ASSERT(whole.order().sorted);
  expect_holds(whole, expected, dtype);
}

TEST(Concat, RefusesPartsThatDoNotFit) {
  const SparseTensor x = coo(Shape{2, 3}, {0, 2}, {5});
  const SparseTensor shapes[] = {x, coo(Shape{2, 4}, {0, 2}, {5})};
  const SparseTensor ranks[] = {x, coo(Shape{2}, {0}, {5})};
  const SparseTensor layouts[] = {x, *to_layout(x, Layout::csr)};
  const SparseTensor huge[] = {coo(Shape{INT64_MAX, 3}, {}, {}), x};
  const SparseTensor dtypes[] = {x, *SparseTensor::coo(Shape{2, 3}, x.indices(), DenseTensor::of<double>(Shape{1}, {5}))};
  EXPECT_FALSE(concat(shapes, 0).ok());
  EXPECT_TRUE(concat(shapes, 1).ok());
  EXPECT_FALSE(concat(ranks, 0).ok());
  EXPECT_FALSE(concat(layouts, 0).ok());
  EXPECT_FALSE(concat(dtypes, 0).ok());
  EXPECT_FALSE(concat(huge, 0).ok());
  EXPECT_FALSE(concat({}, 0).ok());
  EXPECT_FALSE(concat(std::span(shapes, 1), 2).ok());
  EXPECT_FALSE(concat(std::span(shapes, 1), -3).ok());
}

TEST(Concat, IndicesThatOutgrowInt32BecomeInt64) {
  const SparseTensor wide = *SparseTensor::csr(Shape{1, INT32_MAX}, DenseTensor::of<int32_t>(Shape{2}, {0, 1}),
                                               DenseTensor::of<int32_t>(Shape{1}, {INT32_MAX - 1}), DenseTensor::of<float>(Shape{1}, {1}));
  const SparseTensor parts[] = {wide, wide};
  EXPECT_EQ(concat(parts, 0)->index_dtype(), DType::int32);
  const SparseTensor y = *concat(parts, 1);
  ASSERT_EQ(y.index_dtype(), DType::int64);
  EXPECT_EQ(y.indices().values<int64_t>()[1], int64_t{2} * INT32_MAX - 1);
}

}  // namespace
}  // namespace ferry
