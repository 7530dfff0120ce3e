#include "ferry/cast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ferry {
namespace {

template <class To, class From>
std::vector<To> cast_all(std::initializer_list<From> values) {
  const auto out = cast(DenseTensor::of<From>(Shape{static_cast<int64_t>(values.size())}, values), dtype_of<To>());
  EXPECT_TRUE(out.ok()) << out.status().to_string();
  if constexpr (std::is_same_v<To, bool>) {
    const auto bytes = out->template values<uint8_t>();
    return std::vector<bool>(bytes.begin(), bytes.end());
  } else {
    const auto cast_values = out->template values<To>();
    return {cast_values.begin(), cast_values.end()};
  }
}

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Expected values of this group: tf.cast of TensorFlow 2.21 on x86-64, vectors long enough for its packet path.
TEST(Cast, FloatToIntegerLosesTheFraction) {
  EXPECT_EQ((cast_all<int32_t, float>({300.7f, -300.7f, -5.5f, 0.f, -0.f})), (std::vector<int32_t>{300, -300, -5, 0, 0}));
  EXPECT_EQ((cast_all<int64_t, double>({1e10, -1e10, 5e18})), (std::vector<int64_t>{10000000000, -10000000000, 5000000000000000000}));
}
TEST(Cast, OutOfRangeIsWhatTensorFlowGives) {
  constexpr int32_t kLowest = std::numeric_limits<int32_t>::min();
  EXPECT_EQ((cast_all<int32_t, float>({kNaN, kInf, -kInf, 3e9f})), (std::vector<int32_t>{kLowest, kLowest, kLowest, kLowest}));
  EXPECT_EQ((cast_all<int8_t, float>({kNaN, 1e10f, 300.7f, -300.7f, 128.f})), (std::vector<int8_t>{-128, -128, 127, -128, 127}));
  EXPECT_EQ((cast_all<uint8_t, float>({kNaN, 300.7f, -5.5f, 128.f})), (std::vector<uint8_t>{0, 255, 0, 128}));
  EXPECT_EQ((cast_all<uint16_t, float>({65536.f, -1.f, 3e9f})), (std::vector<uint16_t>{65535, 0, 0}));
  EXPECT_EQ((cast_all<uint32_t, float>({kNaN, 3e9f, -300.7f, 1e20f})),
            (std::vector<uint32_t>{2147483648u, 3000000000u, 4294966996u, 2147483648u}));
  EXPECT_EQ((cast_all<uint64_t, float>({kInf, -5.5f, 5e18f, 1.5e19f})),
            (std::vector<uint64_t>{9223372036854775808u, 18446744073709551611u, 4999999990253223936u, 15000000520515485696u}));
  EXPECT_EQ((cast_all<int64_t, double>({1.5e19, -1e20})), (std::vector<int64_t>{INT64_MIN, INT64_MIN}));
}
TEST(Cast, NaNIsTrue) { EXPECT_EQ((cast_all<bool, float>({kNaN, 0.f, -0.f, 0.5f})), (std::vector<bool>{true, false, false, true})); }
TEST(Cast, IntegersWrap) {
  EXPECT_EQ((cast_all<int8_t, int32_t>({300, -129, 127})), (std::vector<int8_t>{44, 127, 127}));
  EXPECT_EQ((cast_all<uint32_t, int64_t>({-1, int64_t{1} << 40})), (std::vector<uint32_t>{4294967295u, 0}));
  EXPECT_EQ((cast_all<int64_t, uint64_t>({UINT64_MAX})), (std::vector<int64_t>{-1}));
}
TEST(Cast, BigIntegersRoundOnce) {
  // 2^60 + 2^36 + 1 lies just above the middle of two floats; through double it would fall to the even one.
  constexpr int64_t kValue = (int64_t{1} << 60) + (int64_t{1} << 36) + 1;
  EXPECT_EQ((cast_all<float, int64_t>({kValue}))[0], static_cast<float>(kValue));
}
TEST(Cast, SmallFloatsRoundToNearest) {
  EXPECT_EQ((cast_all<BFloat16, float>({1.00390625f}))[0].bits, 0x3f80);  // a tie, to even
  EXPECT_EQ((cast_all<Half, double>({65504.0, 65520.0}))[1].bits, 0x7c00);
  EXPECT_EQ((cast_all<float, Float8E4M3FN>({Float8E4M3FN(448.f)}))[0], 448.f);
}
TEST(Cast, ComplexKeepsTheRealPart) {
  using C = std::complex<float>;
  EXPECT_EQ((cast_all<int32_t, C>({C(2.5f, 7.f)})), (std::vector<int32_t>{2}));
  EXPECT_EQ((cast_all<std::complex<double>, float>({1.5f}))[0], (std::complex<double>(1.5, 0)));
}
TEST(Cast, SmallIntegersKeepTheirLowBits) {
  EXPECT_EQ(static_cast<int>((cast_all<Int4, int32_t>({9}))[0]), -7);
  EXPECT_EQ(static_cast<int>((cast_all<UInt4, int32_t>({-1}))[0]), 15);
}
TEST(Cast, EveryPairOfFixedSizeDTypesKeepsOne) {
  for (DType from : kAllDTypes) {
    if (!is_fixed_size(from)) continue;
    const auto one = cast(DenseTensor::of<float>(Shape{1}, {1.f}), from);
    ASSERT_TRUE(one.ok());
    for (DType to : kAllDTypes) {
      if (!is_fixed_size(to)) continue;
      // One is -1 in a signed integer of two bits only from the top; here it is one everywhere.
      const auto there = cast(*one, to, {.checked = true});
      ASSERT_TRUE(there.ok()) << dtype_name(from) << " to " << dtype_name(to) << ": " << there.status().to_string();
      const auto back = cast(*there, DType::float32);
      ASSERT_TRUE(back.ok());
      EXPECT_EQ(back->values<float>()[0], 1.f) << dtype_name(from) << " to " << dtype_name(to);
    }
  }
}
TEST(Cast, CheckedNamesTheFirstElementLost) {
  const auto lost = cast(DenseTensor::of<float>(Shape{4}, {1.f, 2.f, 2.5f, 3.5f}), DType::int32, {.checked = true});
  ASSERT_FALSE(lost.ok());
  EXPECT_NE(lost.status().message().find("element 2"), std::string::npos) << lost.status().message();
  EXPECT_FALSE(cast(DenseTensor::of<double>(Shape{1}, {1e300}), DType::float32, {.checked = true}).ok());
  EXPECT_FALSE(cast(DenseTensor::of<float>(Shape{1}, {1e30f}), DType::float4_e2m1fn, {.checked = true}).ok());
  EXPECT_FALSE(cast(DenseTensor::of<int64_t>(Shape{1}, {-1}), DType::uint64, {.checked = true}).ok());
  EXPECT_FALSE(cast(DenseTensor::of<float>(Shape{1}, {kNaN}), DType::int8, {.checked = true}).ok());
  EXPECT_TRUE(cast(DenseTensor::of<double>(Shape{2}, {0.1, double(kInf)}), DType::float32, {.checked = true}).ok());
}
TEST(Cast, StringsAreUnsupported) {
  const auto strings = cast(DenseTensor::of_strings(Shape{1}, {"1"}), DType::float32);
  EXPECT_EQ(strings.status().code(), StatusCode::unsupported);
  EXPECT_EQ(cast(DenseTensor::of<float>(Shape{1}, {1.f}), DType::string).status().code(), StatusCode::unsupported);
}
TEST(Cast, ThreadsChangeNothing) {
  std::vector<float> values(300'000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) * 0.37f - 5000.f;
  const auto x = DenseTensor::vector<float>(values);
  ThreadPool pool(3);
  const auto alone = cast(x, DType::int16), together = cast(x, DType::int16, {.pool = &pool});
  ASSERT_TRUE(alone.ok() && together.ok());
  EXPECT_TRUE(identical(Tensor(*alone), Tensor(*together)));
}
TEST(Cast, SparseKeepsItsEntriesAndOrder) {
  const auto x = SparseTensor::coo(Shape{3, 4}, DenseTensor::of<int64_t>(Shape{2, 2}, {0, 1, 2, 0}),
                                   DenseTensor::of<float>(Shape{2}, {0.5f, 2.f}), {.sorted = true, .unique = true});
  ASSERT_TRUE(x.ok());
  const auto y = cast(*x, DType::int32);
  ASSERT_TRUE(y.ok());
  EXPECT_EQ(y->nnz(), 2);
  EXPECT_EQ(y->values().values<int32_t>()[0], 0);
  EXPECT_EQ(y->order(), x->order());
}

}  // namespace
}  // namespace ferry
