#include <gtest/gtest.h>

#include "ferry/format.h"

namespace ferry::example {
namespace {

Result<TensorMap> there_and_back(const TensorMap& map) {
  const Format& format = *find_format("example");
  FERRY_ASSIGN_OR_RETURN(const std::string bytes, to_bytes(map, format));
  FERRY_ASSIGN_OR_RETURN(const Buffer buffer, Buffer::copy_of(std::string_view(bytes)));
  return read_tensors(memory_source(buffer), &format);
}

TEST(Example, NeighboursOfASparseTensorsPartsAreTensorsOfTheirOwn) {
  auto x = SparseTensor::coo({3, 4}, DenseTensor::of<int64_t>({1, 2}, {0, 1}), DenseTensor::of<float>({1}, {5}));
  ASSERT_TRUE(x.ok());
  TensorMap map;
  ASSERT_TRUE(map.add("x", *x).ok());
  ASSERT_TRUE(map.add("x/indices_2", DenseTensor::of<int64_t>({1}, {7})).ok());
  ASSERT_TRUE(map.add("x/indices", DenseTensor::of<int64_t>({3}, {7, 8, 9})).ok());
  const auto again = there_and_back(map);
  ASSERT_TRUE(again.ok()) << again.status().to_string();
  EXPECT_EQ(again->size(), 3u);
  EXPECT_EQ(kind_of((*again)[0].tensor), TensorKind::coo);
}

TEST(Example, OneIndexOfAnAxisIsNotThatOfTwo) {
  TensorMap map;
  ASSERT_TRUE(map.add("x/dense_shape", DenseTensor::of<int64_t>({2}, {3, 4})).ok());
  ASSERT_TRUE(map.add("x/indices_0", DenseTensor::of<int64_t>({2}, {0, 2})).ok());
  ASSERT_TRUE(map.add("x/values", DenseTensor::of<int64_t>({1}, {9})).ok());
  const auto again = there_and_back(map);
  ASSERT_TRUE(again.ok()) << again.status().to_string();
  EXPECT_EQ(again->size(), 3u);
}

TEST(Example, PartsThatDoNotFitAreRefused) {
  TensorMap map;
  ASSERT_TRUE(map.add("x/row_lengths", DenseTensor::of<int64_t>({2}, {3, 4})).ok());
  ASSERT_TRUE(map.add("x/values", DenseTensor::of<int64_t>({2}, {5, 6})).ok());
  EXPECT_FALSE(there_and_back(map).ok());
}

TEST(Example, ARaggedTensorOfNoRowsMayHaveHugeAxes) {
  constexpr int64_t kHuge = int64_t{1} << 40;
  auto values = DenseTensor::make(DType::float32, {0, kHuge, kHuge}, Buffer());
  ASSERT_TRUE(values.ok());
  auto x = RaggedTensor::make({DenseTensor::of<int64_t>({2}, {0, 0})}, *values);
  ASSERT_TRUE(x.ok());
  TensorMap map;
  ASSERT_TRUE(map.add("x", *x).ok());
  EXPECT_TRUE(there_and_back(map).ok());
  EXPECT_EQ(to_bytes(map, *find_format("tfrecord")).status().code(), StatusCode::unsupported);
}

}  // namespace
}  // namespace ferry::example
