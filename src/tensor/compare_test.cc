#include "ferry/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ferry/sparse.h"
#include "ferry/statistics.h"
#include "ferry/synthesize.h"

namespace ferry {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Tensor dense(std::initializer_list<float> values) { return DenseTensor::of<float>(Shape{static_cast<int64_t>(values.size())}, values); }
Tensor coo(Shape shape, std::initializer_list<int64_t> indices, std::initializer_list<float> values) {
  const auto n = static_cast<int64_t>(values.size()), rank = static_cast<int64_t>(shape.rank());
  auto out =
      SparseTensor::coo(std::move(shape), DenseTensor::of<int64_t>(Shape{n, rank}, indices), DenseTensor::of<float>(Shape{n}, values));
  EXPECT_TRUE(out.ok());
  return *std::move(out);
}
Comparison compared(const Tensor& a, const Tensor& b, Tolerance tolerance = {}) {
  const auto out = compare(a, b, tolerance);
  EXPECT_TRUE(out.ok()) << out.status().to_string();
  return *out;
}

TEST(Compare, DenseCountsAndNamesTheFirstDifference) {
  const auto out = compared(DenseTensor::of<float>(Shape{2, 2}, {1, 2, 3, 4}), DenseTensor::of<float>(Shape{2, 2}, {1, 2, 5, 8}));
  EXPECT_EQ(out.differing, 2);
  EXPECT_EQ(out.first, (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(out.max_absolute, 4);
  EXPECT_EQ(out.max_relative, 0.5);
  EXPECT_EQ(out.first_a.values<float>()[0], 3);
  EXPECT_EQ(out.first_b.values<float>()[0], 5);
}
TEST(Compare, NormIsOfWhatDiffers) {
  EXPECT_EQ(compared(dense({1, 2, 3}), dense({1, 5, 7})).norm, 5);
  EXPECT_EQ(compared(dense({1, 2}), dense({1, 2})).norm, 0);
  EXPECT_EQ(compared(coo({4}, {1}, {3}), coo({4}, {2}, {4})).norm, 5);
  EXPECT_EQ(compared(dense({1}), dense({kInf})).norm, kInf);
}
TEST(Compare, LongTensorsGiveTheSameForAnyNumberOfThreads) {
  std::vector<float> a(100'000), b;
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 97) * 0.1f;
  b = a;
  for (size_t i = 70'000; i < a.size(); i += 3) b[i] += static_cast<float>(i % 5) * 0.01f;
  b[99'999] = 1e9f;
  const Tensor x = DenseTensor::of<float>(Shape{100, 1000}, std::span<const float>(a)),
               y = DenseTensor::of<float>(Shape{100, 1000}, std::span<const float>(b));
  const Comparison one = compared(x, y);
  ThreadPool pool(3);
  const auto many = compare(x, y, {}, &pool);
  ASSERT_TRUE(many.ok());
  EXPECT_EQ(one.first, (std::vector<int64_t>{70, 3}));
  EXPECT_EQ(one.first_a.values<float>()[0], a[70'003]);
  EXPECT_GT(one.differing, 7000);
  EXPECT_EQ(many->differing, one.differing);
  EXPECT_EQ(many->norm, one.norm);
  EXPECT_EQ(many->first, one.first);
  EXPECT_EQ(many->max_absolute, one.max_absolute);
}
TEST(Compare, NaNEqualsNaNAndZeroHasNoSign) { EXPECT_TRUE(compared(dense({kNaN, 0.f, kInf}), dense({kNaN, -0.f, kInf})).equal()); }
TEST(Compare, NaNOrInfinityAgainstANumberIsInfinitelyFar) {
  for (const Tensor& other : {dense({kNaN}), dense({kInf})}) {
    const auto out = compared(dense({1}), other, {.relative = 1, .absolute = 1e30});
    EXPECT_EQ(out.differing, 1);
    EXPECT_EQ(out.max_absolute, kInf);
  }
}
TEST(Compare, TolerancesAreThoseOfNumPy) {
  EXPECT_TRUE(compared(dense({1.f, 100.f}), dense({1.5f, 101.f}), {.absolute = 1}).equal());
  EXPECT_TRUE(compared(dense({90.f}), dense({100.f}), {.relative = 0.1}).equal());
  EXPECT_FALSE(compared(dense({100.f}), dense({90.f}), {.relative = 0.1}).equal());
}
TEST(Compare, IntegersOf64BitsAreComparedExactly) {
  const auto out = compared(DenseTensor::of<int64_t>(Shape{2}, {INT64_MIN, 9007199254740993}),
                            DenseTensor::of<int64_t>(Shape{2}, {INT64_MAX, 9007199254740992}));
  EXPECT_EQ(out.differing, 2);
  EXPECT_EQ(out.max_absolute, 0x1p64);
}
TEST(Compare, KindOrderDuplicatesAndExplicitZerosAreNoDifference) {
  const Tensor a = coo(Shape{2, 3}, {1, 2, 0, 1, 1, 2, 0, 0}, {2, 1, 3, 0});
  const Tensor b = DenseTensor::of<float>(Shape{2, 3}, {0, 1, 0, 0, 0, 5});
  const auto out = compared(a, b);
  EXPECT_TRUE(out.equal());
  EXPECT_TRUE(out.kind_differs);
  EXPECT_TRUE(compared(b, a).equal());
  const auto csr = to_layout(std::get<SparseTensor>(a), Layout::csr);
  ASSERT_TRUE(csr.ok());
  EXPECT_TRUE(compared(Tensor(*csr), a).equal());
}
TEST(Compare, MissingEntriesAreZero) {
  const auto out = compared(coo(Shape{2, 2}, {0, 0, 1, 1}, {1, 2}), coo(Shape{2, 2}, {0, 1, 1, 1}, {7, 2}));
  EXPECT_EQ(out.differing, 2);
  EXPECT_EQ(out.first, (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(out.first_b.values<float>()[0], 0);
}
TEST(Compare, HugeSparseShapesAreNeverDense) {
  const Shape shape{int64_t{1} << 31, int64_t{1} << 31};
  EXPECT_EQ(compared(coo(shape, {5, 5, 1, 1}, {1, 2}), coo(shape, {1, 1}, {2})).differing, 1);
}
TEST(Compare, DTypeAndShapeComeFirst) {
  EXPECT_TRUE(compared(dense({1}), DenseTensor::of<double>(Shape{1}, {1})).dtype_differs);
  EXPECT_TRUE(compared(dense({1}), dense({1, 2})).shape_differs);
}
TEST(Compare, RaggedNamesRowAndPosition) {
  const auto make = [](float last, int64_t split) {
    return Tensor(
        *RaggedTensor::make({DenseTensor::of<int64_t>(Shape{4}, {0, split, 2, 4})}, DenseTensor::of<float>(Shape{4}, {1, 2, 3, last})));
  };
  EXPECT_EQ(compared(make(4, 2), make(5, 2)).first, (std::vector<int64_t>{2, 1}));
  EXPECT_TRUE(compared(make(4, 2), make(4, 1)).shape_differs);
}
TEST(Compare, StringsAreComparedWhole) {
  const auto out = compared(DenseTensor::of_strings(Shape{2}, {"a", "b"}), DenseTensor::of_strings(Shape{2}, {"a", "c"}));
  EXPECT_EQ(out.differing, 1);
  EXPECT_EQ(out.first_b.strings()[0], "c");
}

TEST(Fingerprint, IsTheSameInEveryLayout) {
  const Tensor a = coo(Shape{2, 3}, {1, 2, 0, 1, 1, 2, 0, 0}, {2, 1, 3, -0.f});
  const Tensor b = DenseTensor::of<float>(Shape{2, 3}, {0, 1, 0, 0, 0, 5});
  const auto csc = to_layout(std::get<SparseTensor>(a), Layout::csc);
  ASSERT_TRUE(csc.ok());
  EXPECT_EQ(*fingerprint(a), *fingerprint(b));
  EXPECT_EQ(*fingerprint(Tensor(*csc)), *fingerprint(b));
}
TEST(Fingerprint, ChangesWithValuePlaceShapeAndDType) {
  const auto of = [](const Tensor& x) { return *fingerprint(x); };
  const uint64_t base = of(dense({1, 0, 2}));
  EXPECT_NE(base, of(dense({1, 0, 3})));
  EXPECT_NE(base, of(dense({1, 2, 0})));
  EXPECT_NE(base, of(dense({1, 0, 2, 0})));
  EXPECT_NE(base, of(DenseTensor::of<double>(Shape{3}, {1, 0, 2})));
  EXPECT_NE(of(DenseTensor::of_strings(Shape{2}, {"ab", "c"})), of(DenseTensor::of_strings(Shape{2}, {"a", "bc"})));
}

TEST(Statistics, LeaveNaNAsideAndCountIt) {
  const auto out = statistics(dense({3, kNaN, -1, 0, kInf, 4}));
  EXPECT_EQ(out.nans, 1);
  EXPECT_EQ(out.infinities, 1);
  EXPECT_EQ(out.zeros, 1);
  EXPECT_EQ(out.smallest, 2);
  EXPECT_EQ(out.largest, 4);
  EXPECT_EQ(*out.density, 5.0 / 6);
  EXPECT_EQ(*statistics(DenseTensor::of<int64_t>(Shape{2}, {INT64_MAX, INT64_MAX})).mean, 0x1p63);
}
TEST(Statistics, OfNothingAreNothing) {
  const auto out = statistics(DenseTensor::of<float>(Shape{0}, {}));
  EXPECT_EQ(out.smallest, -1);
  EXPECT_FALSE(out.mean || out.density);
}

TEST(Synthesize, EveryKindHasTheSameValuesForAnyThreads) {
  ThreadPool pool(3);
  for (DType dtype : kAllDTypes) {
    if (dtype_class(dtype) == DTypeClass::kOpaque) continue;
    Recipe recipe{.kind = TensorKind::dense, .dtype = dtype, .shape = Shape{300, 200}, .density = 0.01, .seed = 7};
    const auto base = synthesize(recipe);
    ASSERT_TRUE(base.ok());
    EXPECT_EQ(statistics(*base).stored - statistics(*base).zeros, 600) << dtype_name(dtype);
    for (TensorKind kind : {TensorKind::coo, TensorKind::csr, TensorKind::csc}) {
      recipe.kind = kind;
      const auto other = synthesize(recipe, {}, &pool);
      ASSERT_TRUE(other.ok());
      EXPECT_EQ(nnz_of(*other), 600);
      EXPECT_TRUE(validate(*other, Validation::canonical).ok());
      EXPECT_TRUE(compared(*base, *other).equal()) << dtype_name(dtype);
    }
  }
}
TEST(Synthesize, HugeAndDegenerateShapesWork) {
  const auto huge = synthesize({.kind = TensorKind::coo, .shape = Shape{int64_t{1} << 31, int64_t{1} << 31}, .density = 1e-16});
  ASSERT_TRUE(huge.ok());
  EXPECT_EQ(nnz_of(*huge), 461);
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{0, 5}, Shape{1}, Shape{1, 1, 1}}) {
    for (TensorKind kind : {TensorKind::dense, TensorKind::coo})
      EXPECT_TRUE(synthesize({.kind = kind, .shape = shape}).ok()) << shape.to_string();
  }
  EXPECT_EQ(synthesize({.shape = Shape{int64_t{1} << 31, int64_t{1} << 31}}).status().code(), StatusCode::limit_exceeded);
  EXPECT_EQ(synthesize({.kind = TensorKind::csr, .shape = Shape{2, 2, 2}}).status().code(), StatusCode::invalid_argument);
}
TEST(Synthesize, RaggedRowsHaveTheMeanLengthAskedFor) {
  const auto out = synthesize({.kind = TensorKind::ragged, .shape = Shape{1000, 20}, .density = 0.25, .seed = 1});
  ASSERT_TRUE(out.ok());
  EXPECT_TRUE(validate(*out, Validation::bounds).ok());
  EXPECT_NEAR(static_cast<double>(nnz_of(*out)), 5000, 500);
}

}  // namespace
}  // namespace ferry
