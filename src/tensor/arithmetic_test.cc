// add, scale and the sums.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "support/sparse_model.h"

namespace ferry {
namespace {

using model::any_index;
using model::any_layout;
using model::Sparse;
using model::tensor_of;

constexpr DType kNumeric[] = {DType::float32,    DType::float64,       DType::int32,       DType::uint8,    DType::int16,
                              DType::int8,       DType::int64,         DType::complex64,   DType::bfloat16, DType::uint16,
                              DType::complex128, DType::float16,       DType::uint32,      DType::uint64,   DType::int4,
                              DType::uint4,      DType::float8_e4m3fn, DType::float8_e5m2, DType::int2};
constexpr DType kNotNumeric[] = {DType::string, DType::bool_, DType::qint8, DType::quint8, DType::qint32};

ThreadPool* any_pool() {
  static ThreadPool one(1), two(2), five(5);
  return *rc::gen::element<ThreadPool*>(nullptr, &one, &two, &five);
}

// The value as the reference calculates with it; tags are small enough that every dtype's sums are exact or wrap alike.
template <class T>
Arithmetic<T> number(const DenseTensor& one) {
  return to_arithmetic(*static_cast<const T*>(one.raw()));
}

template <class T>
using Sums = std::map<std::vector<int64_t>, Arithmetic<T>>;

template <class T>
Sums<T> sums_of(std::initializer_list<const Sparse*> parts, DType dtype) {
  Sums<T> out;
  for (const Sparse* part : parts) {
    for (const auto& entry : part->entries) {
      auto& sum = out[entry.at];
      // Rounded at each step, as adding two coalesced tensors does; the values used are exact.
      sum = to_arithmetic(static_cast<T>(sum + number<T>(model::value_of(dtype, entry.tag % 3))));
    }
  }
  return out;
}

template <class F>
void with_type(DType dtype, F&& f) {
  visit_dtype(dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (!std::is_same_v<T, bool>) f(TypeTag<T>{});
  });
}

Sparse small_tags(Sparse x) {
  for (auto& entry : x.entries) entry.tag %= 3;
  return x;
}

RC_GTEST_PROP(Add, IsTheUnionWithValuesSummed, ()) {
  const Sparse x = small_tags(model::arbitrary());
  Sparse y{x.shape, {}};
  int64_t count = 1;
  for (int64_t dim : x.shape) count *= dim;
  const int nnz = count == 0 ? 0 : *rc::gen::inRange(0, 20);
  for (int i = 0; i < nnz; ++i) {
    model::Entry entry{{}, i % 3};
    for (int64_t dim : x.shape) entry.at.push_back(*rc::gen::inRange<int64_t>(0, dim));
    y.entries.push_back(entry);
  }
  const DType dtype = *rc::gen::elementOf(std::vector<DType>(std::begin(kNumeric), std::end(kNumeric)));
  const SparseTensor a = tensor_of(x, dtype, any_layout(x), any_index()), b = tensor_of(y, dtype, any_layout(x), any_index());
  const SparseTensor sum = *add(a, b, any_pool());
  RC_ASSERT(sum.layout() == a.layout());
  RC_ASSERT(sum.shape() == a.shape());
  RC_ASSERT(sum.validate(Validation::bounds).ok());
  RC_ASSERT(sum.order() == (Order{true, true}));
  RC_ASSERT(find_order(sum.with_order({})) == (Order{true, true}));
  with_type(dtype, [&]<class T>(TypeTag<T>) {
    // Coalesced apart, then added, as the library does: small floats round at each of the three.
    const Sums<T> expected = sums_of<T>({&x, &y}, dtype);
    RC_ASSERT(static_cast<size_t>(sum.nnz()) == expected.size());
    for (const auto& [at, bytes] : model::contents_of(sum)) {
      T found;
      std::memcpy(&found, bytes.data(), sizeof(T));
      RC_ASSERT(expected.contains(at));
      if constexpr (!is_small_float_v<T>) RC_ASSERT(to_arithmetic(found) == expected.at(at));
    }
  });
}

SparseTensor coo(Shape shape, std::initializer_list<int64_t> indices, std::initializer_list<float> values) {
  const auto count = static_cast<int64_t>(values.size()), rank = static_cast<int64_t>(shape.rank());
  return *SparseTensor::coo(std::move(shape), DenseTensor::of<int64_t>(Shape{count, rank}, indices),
                            DenseTensor::of<float>(Shape{count}, values));
}

template <class T>
SparseTensor column(std::initializer_list<T> values) {
  const auto n = static_cast<int64_t>(values.size());
  std::vector<int64_t> at;
  for (int64_t i = 0; i < n; ++i) at.insert(at.end(), {i, 0});
  return *SparseTensor::coo(Shape{n, 1}, DenseTensor::of<int64_t>(Shape{n, 2}, std::span<const int64_t>(at)),
                            DenseTensor::of<T>(Shape{n}, values), {true, true});
}

TEST(Add, KeepsEntriesThatBecomeZero) {
  const SparseTensor sum = *add(coo(Shape{2, 2}, {0, 1, 1, 0}, {1, 2}), coo(Shape{2, 2}, {0, 1, 1, 1}, {-1, 5}));
  EXPECT_TRUE(identical(Tensor(sum), Tensor(coo(Shape{2, 2}, {0, 1, 1, 0, 1, 1}, {0, 2, 5}))));
}

TEST(Add, IntegersWrap) {
  const SparseTensor x = column<int32_t>({INT32_MAX, INT32_MIN});
  EXPECT_EQ(add(x, x)->values().values<int32_t>()[0], -2);
  EXPECT_EQ(add(x, x)->values().values<int32_t>()[1], 0);
}

TEST(Add, RefusesWhatDoesNotMatch) {
  const SparseTensor x = coo(Shape{2, 2}, {0, 1}, {1});
  EXPECT_FALSE(add(x, coo(Shape{2, 3}, {0, 1}, {1})).ok());
  EXPECT_FALSE(add(column<float>({1}), column<double>({1})).ok());
}

TEST(Arithmetic, RefusesDTypesThatAreNoNumbers) {
  for (DType dtype : kNotNumeric) {
    const SparseTensor x = *SparseTensor::coo(Shape{1, 1}, DenseTensor::of<int64_t>(Shape{1, 2}, {0, 0}), model::value_of(dtype, 1));
    EXPECT_EQ(add(x, x).status().code(), StatusCode::unsupported);
    EXPECT_EQ(scale(x, 2).status().code(), StatusCode::unsupported);
    EXPECT_EQ(row_sums(x).status().code(), StatusCode::unsupported);
    EXPECT_EQ(column_sums(x).status().code(), StatusCode::unsupported);
  }
}

TEST(Scale, MultipliesInTheDTypeOfTheTensor) {
  EXPECT_EQ(scale(column<float>({3}), 0.1)->values().values<float>()[0], 3 * 0.1f);
  EXPECT_EQ(scale(column<double>({3}), 0.1)->values().values<double>()[0], 3 * 0.1);
  EXPECT_EQ(scale(column<int64_t>({INT64_MAX}), 2)->values().values<int64_t>()[0], -2);
  EXPECT_EQ(scale(column<int8_t>({100}), 2)->values().values<int8_t>()[0], -56);
  EXPECT_EQ(scale(column<std::complex<float>>({{1, 2}}), -2)->values().values<std::complex<float>>()[0], std::complex<float>(-2, -4));
  EXPECT_EQ(static_cast<float>(scale(column<Half>({Half(1.5f)}), 3)->values().values<Half>()[0]), 4.5f);
  EXPECT_TRUE(std::isnan(scale(column<float>({0}), INFINITY)->values().values<float>()[0]));
}

TEST(Scale, RefusesFractionsOfIntegers) {
  for (double factor : {0.5, 1e30, -1e30, static_cast<double>(INFINITY), static_cast<double>(NAN), 9223372036854775808.0}) {
    EXPECT_EQ(scale(column<int64_t>({3}), factor).status().code(), StatusCode::invalid_argument) << factor;
  }
  EXPECT_TRUE(scale(column<int64_t>({3}), -9223372036854775808.0).ok());
  EXPECT_FALSE(scale(column<uint8_t>({3}), -1).ok());
  EXPECT_FALSE(scale(column<uint8_t>({3}), 256).ok());
  EXPECT_TRUE(scale(column<uint8_t>({3}), 255).ok());
}

RC_GTEST_PROP(Sums, AddUpEachRowAndColumn, ()) {
  const Sparse x = model::arbitrary(2, 2);
  const Layout layout = any_layout(x);
  const SparseTensor tensor = tensor_of(x, DType::int32, layout, any_index());
  std::vector<int32_t> rows(static_cast<size_t>(x.shape[0])), columns(static_cast<size_t>(x.shape[1]));
  for (const auto& entry : x.entries) {
    rows[static_cast<size_t>(entry.at[0])] += entry.tag;
    columns[static_cast<size_t>(entry.at[1])] += entry.tag;
  }
  RC_ASSERT(identical(Tensor(*row_sums(tensor, any_pool())), Tensor(DenseTensor::vector<int32_t>(std::span<const int32_t>(rows)))));
  RC_ASSERT(identical(Tensor(*column_sums(tensor, any_pool())), Tensor(DenseTensor::vector<int32_t>(std::span<const int32_t>(columns)))));
}

TEST(Sums, OfSmallFloatsAreRoundedOnce) {
  // 256 + 1 is 256 in bfloat16, 256 + 1 + 1 is 258.
  const DenseTensor ids = DenseTensor::of<int64_t>(Shape{3, 2}, {0, 0, 0, 1, 0, 2});
  const DenseTensor values = DenseTensor::of<BFloat16>(Shape{3}, {BFloat16(256), BFloat16(1), BFloat16(1)});
  const SparseTensor x = *SparseTensor::coo(Shape{1, 3}, ids, values, {true, true});
  for (Layout layout : {Layout::coo, Layout::csr, Layout::csc}) {
    EXPECT_EQ(static_cast<float>(row_sums(*to_layout(x, layout))->values<BFloat16>()[0]), 258);
  }
}

TEST(Sums, RefuseWhatIsNoMatrixOrTooLong) {
  EXPECT_FALSE(row_sums(coo(Shape{2}, {0}, {1})).ok());
  EXPECT_EQ(row_sums(coo(Shape{INT64_MAX, 1}, {0, 0}, {1})).status().code(), StatusCode::limit_exceeded);
  EXPECT_EQ(column_sums(coo(Shape{1, int64_t{1} << 57}, {0, 0}, {1})).status().code(), StatusCode::limit_exceeded);
}

}  // namespace
}  // namespace ferry
