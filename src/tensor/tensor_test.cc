#include "ferry/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ferry {
namespace {

template <class T>
DenseTensor vec(std::initializer_list<T> values) {
  return DenseTensor::of<T>(Shape{static_cast<int64_t>(values.size())}, values);
}

DenseTensor pairs(std::initializer_list<int64_t> numbers) {
  return DenseTensor::of<int64_t>(Shape{static_cast<int64_t>(numbers.size() / 2), 2}, numbers);
}

TEST(DenseTensor, BytesMustBeExactlyThoseOfTheShape) {
  const Buffer twelve = *Buffer::copy_of("0123456789ab");
  EXPECT_TRUE(DenseTensor::make(DType::float32, Shape{3}, twelve).ok());
  EXPECT_EQ(DenseTensor::make(DType::float32, Shape{4}, twelve).status().message(), "shape [4] of float32 needs 16 bytes, 12 are given");
  EXPECT_FALSE(DenseTensor::make(DType::float32, Shape{2}, twelve).ok());
  EXPECT_FALSE(DenseTensor::make(DType::float32, Shape{-3}, twelve).ok());
  EXPECT_FALSE(DenseTensor::make(DType::float32, Shape{INT64_MAX, 4}, twelve).ok());
  EXPECT_FALSE(DenseTensor::make(DType::float64, Shape{int64_t{1} << 61}, Buffer()).ok()) << "the byte count wraps to 0";
  EXPECT_FALSE(DenseTensor::make(DType::string, Shape{3}, twelve).ok());
  EXPECT_FALSE(DenseTensor::make(DType::variant, Shape{3}, twelve).ok());
}

TEST(DenseTensor, UnalignedBytesAreCopied) {
  const Buffer bytes = *Buffer::copy_of("0123456789abcdef");
  const DenseTensor aligned = *DenseTensor::make(DType::float32, Shape{2}, bytes.slice(4, 8));
  EXPECT_EQ(aligned.raw(), bytes.data() + 4);
  const DenseTensor moved = *DenseTensor::make(DType::float32, Shape{2}, bytes.slice(1, 8));
  EXPECT_NE(moved.raw(), bytes.data() + 1);
  EXPECT_EQ(moved.buffer().text(), "12345678");
}

TEST(DenseTensor, StringOffsetsAreHeldAgainstTheBytes) {
  const auto make = [](std::vector<int64_t> offsets, std::string_view bytes, Shape shape) {
    return DenseTensor::make_strings(std::move(shape), *Buffer::copy_of(std::as_bytes(std::span(offsets))), *Buffer::copy_of(bytes));
  };
  EXPECT_EQ(make({0, 1, 3}, "abc", Shape{2})->strings()[1], "bc");
  EXPECT_EQ(make({1, 1, 2}, "abc", Shape{2})->strings()[1], "b") << "need not begin at 0";
  EXPECT_EQ(make({0, 4}, "abc", Shape{1}).status().code(), StatusCode::data_loss);
  EXPECT_FALSE(make({0, 2, 1}, "abc", Shape{2}).ok());
  EXPECT_FALSE(make({-1, 2}, "abc", Shape{1}).ok());
  EXPECT_FALSE(make({0, 1}, "abc", Shape{2}).ok());
  EXPECT_FALSE(make({}, "", Shape{0}).ok()) << "even no strings have one offset";
  EXPECT_TRUE(make({0}, "", Shape{0}).ok());
}

TEST(DenseTensor, SlicesShareTheirBytes) {
  const DenseTensor x = DenseTensor::of<float>(Shape{3, 2}, {0, 1, 2, 3, 4, 5});
  const DenseTensor y = *x.slice_rows(1, 3);
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_EQ(y.values<float>().data(), x.values<float>().data() + 2);
  EXPECT_FALSE(x.slice_rows(2, 1).ok());
  EXPECT_FALSE(x.slice_rows(-1, 1).ok());
  EXPECT_FALSE(x.slice_rows(0, 4).ok());
  EXPECT_FALSE(DenseTensor::scalar<float>(1).slice_rows(0, 0).ok());
  const DenseTensor strings = *DenseTensor::of_strings(Shape{3}, {"a", "bc", ""}).slice_rows(1, 3);
  EXPECT_TRUE(identical(Tensor(strings), Tensor(DenseTensor::of_strings(Shape{2}, {"bc", ""}))));
}

TEST(DenseTensor, ReshapesAndBitcastsWithoutACopy) {
  const DenseTensor x = vec<int8_t>({-1, 2});
  EXPECT_EQ(x.reshaped(Shape{2, 1})->raw(), x.raw());
  EXPECT_FALSE(x.reshaped(Shape{3}).ok());
  EXPECT_EQ(x.bitcast(DType::uint8)->values<uint8_t>()[0], 255);
  EXPECT_FALSE(x.bitcast(DType::int16).ok());
  EXPECT_FALSE(x.bitcast(DType::string).ok());
}

TEST(StringsBuilder, CountsAgainstTheShape) {
  StringsBuilder builder;
  ASSERT_TRUE(builder.append(std::string_view("a\0b", 3)).ok());
  ASSERT_TRUE(builder.append("").ok());
  const DenseTensor x = *std::move(builder).finish(Shape{2, 1});
  EXPECT_EQ(x.strings()[0], std::string_view("a\0b", 3));
  EXPECT_EQ(x.strings()[1], "");
  EXPECT_FALSE(StringsBuilder().finish(Shape{1}).ok());
}

TEST(SparseTensor, CooChecksRanksCountsAndDTypes) {
  EXPECT_TRUE(SparseTensor::coo(Shape{3, 4}, pairs({0, 1, 2, 0}), vec<float>({1, 2})).ok());
  EXPECT_FALSE(SparseTensor::coo(Shape{3, 4}, pairs({0, 1}), vec<float>({1, 2})).ok());
  EXPECT_FALSE(SparseTensor::coo(Shape{3}, pairs({0, 1, 2, 0}), vec<float>({1, 2})).ok());
  EXPECT_FALSE(SparseTensor::coo(Shape{3, -4}, pairs({0, 1}), vec<float>({1})).ok());
  EXPECT_FALSE(SparseTensor::coo(Shape{3, 4}, DenseTensor::of<int32_t>(Shape{1, 2}, {0, 1}), vec<float>({1})).ok());
  EXPECT_FALSE(SparseTensor::coo(Shape{3, 4}, pairs({0, 1}), DenseTensor::scalar<float>(1)).ok());
  EXPECT_TRUE(SparseTensor::coo(Shape{INT64_MAX, INT64_MAX}, pairs({0, 1}), vec<float>({1})).ok()) << "sparse shapes may be huge";
  EXPECT_TRUE(SparseTensor::coo(Shape{}, DenseTensor::of<int64_t>(Shape{1, 0}, {}), vec<float>({1})).ok());
}

TEST(SparseTensor, BoundsNameTheEntryThatIsOutside) {
  const auto message = [](Shape shape, DenseTensor at, Validation level) {
    const DenseTensor values = vec<float>({1, 2});
    return std::string(SparseTensor::coo(std::move(shape), std::move(at), values)->validate(level).message());
  };
  EXPECT_EQ(message(Shape{3, 4}, pairs({0, 1, 2, 4}), Validation::bounds), "entry 1 is at [2, 4], outside shape [3, 4]");
  EXPECT_EQ(message(Shape{3, 4}, pairs({-1, 1, 2, 3}), Validation::bounds), "entry 0 is at [-1, 1], outside shape [3, 4]");
  EXPECT_EQ(message(Shape{3, 4}, pairs({0, 1, 2, 4}), Validation::trust), "");
  EXPECT_EQ(message(Shape{3, 4}, pairs({2, 1, 0, 3}), Validation::bounds), "");
  EXPECT_NE(message(Shape{3, 4}, pairs({2, 1, 0, 3}), Validation::canonical), "");
  EXPECT_NE(message(Shape{3, 4}, pairs({2, 1, 2, 1}), Validation::canonical), "");
  EXPECT_EQ(message(Shape{3, 4}, pairs({2, 1, 2, 2}), Validation::canonical), "");
}

TEST(SparseTensor, CompressedPointersAreHeldAgainstTheEntries) {
  const auto check = [](std::initializer_list<int32_t> indptr, std::initializer_list<int32_t> indices) {
    const auto x = SparseTensor::csr(Shape{2, 3}, vec<int32_t>(indptr), vec<int32_t>(indices), vec<float>({1, 2}));
    return x.ok() ? x->validate(Validation::bounds) : x.status();
  };
  EXPECT_TRUE(check({0, 1, 2}, {2, 0}).ok());
  EXPECT_FALSE(check({0, 1}, {2, 0}).ok());
  EXPECT_FALSE(check({1, 1, 2}, {2, 0}).ok());
  EXPECT_FALSE(check({0, 2, 1}, {2, 0}).ok());
  EXPECT_FALSE(check({0, 3, 2}, {2, 0}).ok());
  EXPECT_FALSE(check({0, 1, 3}, {2, 0}).ok());
  EXPECT_FALSE(check({0, 1, 2}, {3, 0}).ok());
  EXPECT_FALSE(check({0, 1, 2}, {-1, 0}).ok());
  EXPECT_FALSE(check({0, 1, 2}, {0}).ok());
  EXPECT_FALSE(SparseTensor::csr(Shape{2, 3}, vec<int64_t>({0, 1, 2}), vec<int32_t>({0, 1}), vec<float>({1, 2})).ok());
  EXPECT_FALSE(SparseTensor::csr(Shape{2}, vec<int64_t>({0, 1, 2}), vec<int64_t>({0, 1}), vec<float>({1, 2})).ok());
}

TEST(RaggedTensor, SplitsAreHeldAgainstWhatTheyCut) {
  const auto check = [](std::initializer_list<int64_t> splits) {
    const auto x = RaggedTensor::make({vec<int64_t>(splits)}, vec<float>({1, 2, 3}));
    return x.ok() ? x->validate(Validation::bounds) : x.status();
  };
  EXPECT_TRUE(check({0, 1, 1, 3}).ok());
  EXPECT_FALSE(check({1, 3}).ok());
  EXPECT_FALSE(check({0, 2}).ok());
  EXPECT_FALSE(check({0, 4}).ok());
  EXPECT_FALSE(check({0, 2, 1, 3}).ok());
  EXPECT_FALSE(check({}).ok());
  EXPECT_FALSE(RaggedTensor::make({}, vec<float>({1})).ok());
  EXPECT_FALSE(RaggedTensor::make({vec<int64_t>({0, 1}), vec<int32_t>({0, 1})}, vec<float>({1})).ok());
  EXPECT_FALSE(RaggedTensor::make({vec<int64_t>({0, 1})}, DenseTensor::scalar<float>(1)).ok());
  const RaggedTensor x = *RaggedTensor::make({vec<int64_t>({0, 1})}, DenseTensor::of<float>(Shape{1, 4}, {1, 2, 3, 4}));
  EXPECT_EQ(x.shape(), (Shape{1, -1, 4}));
}

TEST(Identical, ComparesBitsNotValues) {
  const auto one = [](float value) { return Tensor(DenseTensor::scalar(value)); };
  EXPECT_TRUE(identical(one(NAN), one(NAN)));
  EXPECT_FALSE(identical(one(0.0f), one(-0.0f)));
  EXPECT_FALSE(identical(Tensor(vec<int32_t>({1})), Tensor(vec<uint32_t>({1}))));
  EXPECT_FALSE(identical(Tensor(vec<float>({1})), Tensor(DenseTensor::of<float>(Shape{1, 1}, {1}))));
  EXPECT_FALSE(identical(Tensor(vec<float>({})), Tensor(RaggedTensor())));
}

TEST(Kinds, HaveNames) {
  for (TensorKind kind : {TensorKind::dense, TensorKind::coo, TensorKind::csr, TensorKind::csc, TensorKind::ragged}) {
    EXPECT_EQ(kind_from_name(kind_name(kind)), kind);
  }
  EXPECT_FALSE(kind_from_name("sparse"));
  EXPECT_EQ(kind_of(Tensor(SparseTensor())), TensorKind::coo);
  EXPECT_EQ(kind_of(Tensor(RaggedTensor())), TensorKind::ragged);
  EXPECT_EQ(kind_of(Tensor(DenseTensor())), TensorKind::dense);
}

}  // namespace
}  // namespace ferry
