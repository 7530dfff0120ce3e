#include <gtest/gtest.h>

#include "ferry/format.h"

namespace ferry {
namespace {

const Format& keras() { return *find_format("keras"); }

TEST(Keras, WeightsWithoutAModelAreNoKerasFile) {
  TensorMap map;
  map.set("layers/dense/vars/0", DenseTensor::scalar(1.0f));
  const Status status = to_bytes(map, keras()).status();
  EXPECT_EQ(status.code(), StatusCode::unsupported);
  EXPECT_NE(status.message().find(".weights.h5"), std::string_view::npos);
}

#ifndef FERRY_NO_HDF5
TEST(Keras, ConfigAndWeightsComeBackAsViews) {
  TensorMap map;
  map.set("layers/dense/vars/0", DenseTensor::of<float>({2, 1}, {1, 2}));
  map.metadata.set("metadata.json", "{\"keras_version\": \"3\"}");
  map.metadata.set("config.json", "{}");
  map.metadata.set("layers/dense/vars/name", "dense");
  auto bytes = to_bytes(map, keras());
  ASSERT_TRUE(bytes.ok()) << bytes.status().to_string();
  auto copy = Buffer::copy_of(std::string_view(*bytes));
  ASSERT_TRUE(copy.ok());
  const auto source = memory_source(*copy, "m.keras");
  EXPECT_EQ((*detect_format(*source))->id, "keras");
  auto reader = keras().open(source, {});
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  EXPECT_TRUE((*reader)->tensors()[0].zero_copy);
  auto back = read_tensors(source, &keras());
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(identical(*back, map));
  for (const auto& [key, value] : map.metadata) EXPECT_EQ(*back->metadata.find(key), value) << key;
}
#endif

}  // namespace
}  // namespace ferry
