#include "ferry/rearrange.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace ferry {
namespace {

// Element by element, by the definition.
template <class T>
std::vector<T> moved(const DenseTensor& x, const std::vector<int64_t>& permutation, const std::vector<T>& values) {
  const size_t rank = permutation.size();
  std::vector<int64_t> strides(rank, 1), at(rank, 0);
  for (size_t axis = rank; axis-- > 1;) strides[axis - 1] = strides[axis] * x.shape()[axis];
  std::vector<T> out;
  for (size_t n = 0; n < values.size(); ++n) {
    int64_t from = 0;
    for (size_t i = 0; i < rank; ++i) from += at[i] * strides[static_cast<size_t>(permutation[i])];
    out.push_back(values[static_cast<size_t>(from)]);
    for (size_t i = rank; i-- > 0;) {
      if (++at[i] < x.shape()[static_cast<size_t>(permutation[i])]) break;
      at[i] = 0;
    }
  }
  return out;
}

template <class T>
void check(const Shape& shape, const std::vector<int64_t>& permutation) {
  std::vector<T> values(static_cast<size_t>(*shape.num_elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(static_cast<int>(i));
  const auto x = DenseTensor::of<T>(shape, std::span<const T>(values));
  ThreadPool pool(2);
  for (ThreadPool* threads : {static_cast<ThreadPool*>(nullptr), &pool}) {
    const auto out = transpose(x, permutation, threads);
    ASSERT_TRUE(out.ok()) << out.status().to_string();
    const auto expected = moved(x, permutation, values);
    const auto span = out->template values<T>();
    EXPECT_TRUE(std::equal(span.begin(), span.end(), expected.begin(), expected.end())) << shape.to_string();
    for (size_t i = 0; i < permutation.size(); ++i) EXPECT_EQ(out->shape()[i], shape[static_cast<size_t>(permutation[i])]);
  }
}

TEST(Rearrange, EveryPermutationOfEveryWidth) {
  for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3}, Shape{70, 133}, Shape{1, 5}, Shape{2, 1, 3}, Shape{3, 3, 5, 7},
                             Shape{2, 3, 1, 2, 4}, Shape{0, 3}, Shape{2, 0, 2}}) {
    std::vector<int64_t> permutation(shape.rank());
    std::iota(permutation.begin(), permutation.end(), 0);
    do {
      check<uint8_t>(shape, permutation);
      check<int16_t>(shape, permutation);
      check<float>(shape, permutation);
      check<double>(shape, permutation);
      check<std::complex<double>>(shape, permutation);
    } while (std::next_permutation(permutation.begin(), permutation.end()));
  }
}

TEST(Rearrange, StringsMoveToo) {
  const auto x = DenseTensor::of_strings(Shape{2, 3}, {"a", "bb", "", "d", "e", "ff"});
  const auto out = transpose(x);
  ASSERT_TRUE(out.ok());
  std::vector<std::string> got;
  for (int64_t i = 0; i < 6; ++i) got.emplace_back(out->strings()[i]);
  EXPECT_EQ(got, (std::vector<std::string>{"a", "d", "bb", "e", "", "ff"}));
  EXPECT_EQ(out->shape(), (Shape{3, 2}));
}

TEST(Rearrange, WhatIsNoPermutationIsRefused) {
  const auto x = DenseTensor::of<float>(Shape{2, 2}, {1, 2, 3, 4});
  for (const std::vector<int64_t>& bad : {std::vector<int64_t>{0}, {0, 0}, {0, 2}, {-1, 0}, {0, 1, 2}})
    EXPECT_FALSE(transpose(x, bad).ok());
}

TEST(Rearrange, OverlayKeepsTheRestOfTheBase) {
  const auto base = DenseTensor::of<int32_t>(Shape{3, 2}, {1, 2, 3, 4, 5, 6});
  const auto values = [](const Result<DenseTensor>& out) {
    return out.ok() ? std::vector<int32_t>(out->values<int32_t>().begin(), out->values<int32_t>().end()) : std::vector<int32_t>();
  };
  EXPECT_EQ(values(overlay(base, DenseTensor::of<int32_t>(Shape{2, 2}, {10, 20, 30, 40}), 0)),
            (std::vector<int32_t>{10, 20, 30, 40, 5, 6}));
  EXPECT_EQ(values(overlay(base, DenseTensor::of<int32_t>(Shape{3, 1}, {10, 20, 30}), 1)), (std::vector<int32_t>{10, 2, 20, 4, 30, 6}));
  EXPECT_EQ(values(overlay(base, DenseTensor::of<int32_t>(Shape{4, 2}, {0, 1, 2, 3, 4, 5, 6, 7}), 0)),
            (std::vector<int32_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values(overlay(base, DenseTensor::of<int32_t>(Shape{3, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8}), 1)),
            (std::vector<int32_t>{0, 1, 3, 4, 6, 7}));
  EXPECT_EQ(values(overlay(base, DenseTensor::of<int32_t>(Shape{0, 2}, {}), 0)), (std::vector<int32_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_FALSE(overlay(base, DenseTensor::of<int32_t>(Shape{2, 3}, {1, 2, 3, 4, 5, 6}), 0).ok());
  EXPECT_FALSE(overlay(base, DenseTensor::of<float>(Shape{3, 2}, {1, 2, 3, 4, 5, 6}), 0).ok());
  EXPECT_FALSE(overlay(base, base, 2).ok());
  const auto words = overlay(DenseTensor::of_strings(Shape{3}, {"a", "b", "c"}), DenseTensor::of_strings(Shape{1}, {"long"}), 0);
  ASSERT_TRUE(words.ok());
  EXPECT_EQ(words->strings()[0], "long");
  EXPECT_EQ(words->strings()[2], "c");
}

}  // namespace
}  // namespace ferry
