#include "formats/arrow/c_data.h"

#include <gtest/gtest.h>

#include "ferry/sparse.h"

namespace ferry::arrow {
namespace {

TensorMap sample() {
  TensorMap out;
  out.set("numbers", DenseTensor::of<float>({2, 2}, {1, 2, 3, 4}));
  out.set("flags", DenseTensor::of<bool>({2}, {true, false}));
  out.set("text", DenseTensor::of_strings({2}, {"a", "bc"}));
  out.set("bf16", DenseTensor::of<BFloat16>({2}, {BFloat16(1.5f), BFloat16(-3.0f)}));
  out.set("complex", DenseTensor::of<std::complex<double>>({2}, {{1, 2}, {3, 4}}));
  out.set("ragged", *RaggedTensor::make({DenseTensor::of<int64_t>({3}, {0, 2, 3})}, DenseTensor::of<int32_t>({3}, {1, 2, 3})));
  out.set("csr", *SparseTensor::csr({2, 9}, DenseTensor::of<int32_t>({3}, {0, 1, 2}), DenseTensor::of<int32_t>({2}, {8, 0}),
                                    DenseTensor::of<float>({2}, {1, 2})));
  out.metadata.set("who", "me");
  return out;
}

TEST(ArrowCData, AMapExportedIsTheMapImported) {
  const TensorMap map = sample();
  ArrowSchema schema;
  ArrowArray array;
  ASSERT_TRUE(export_map(map, &schema, &array).ok());
  EXPECT_STREQ(schema.format, "+s");
  EXPECT_EQ(array.length, 2);
  const auto again = import_array(&schema, &array);
  ASSERT_TRUE(again.ok()) << again.status().to_string();
  EXPECT_TRUE(identical(map, *again));
  EXPECT_EQ(again->metadata, map.metadata);
  EXPECT_EQ(schema.release, nullptr);
  EXPECT_EQ(array.release, nullptr);
}

TEST(ArrowCData, AStreamExportedIsTheMapImported) {
  const TensorMap map = sample();
  ArrowArrayStream stream;
  ASSERT_TRUE(export_stream(map, &stream).ok());
  const auto again = import_stream(&stream);
  ASSERT_TRUE(again.ok()) << again.status().to_string();
  EXPECT_TRUE(identical(map, *again));
  EXPECT_FALSE(import_stream(&stream).ok());  // taken
}

TEST(ArrowCData, MemoryIsSharedBothWaysAndOutlivesTheExporter) {
  ArrowSchema schema;
  ArrowArray array;
  const void* raw;
  {
    const DenseTensor tensor = DenseTensor::of<int64_t>({3}, {1, 2, 3});
    raw = tensor.raw();
    ASSERT_TRUE(export_tensor("x", tensor, {}, &schema, &array).ok());
  }
  EXPECT_EQ(array.buffers[1], raw);
  const auto again = import_array(&schema, &array);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(std::get<DenseTensor>((*again)[0].tensor).raw(), raw);
  EXPECT_EQ(std::get<DenseTensor>((*again)[0].tensor).values<int64_t>()[2], 3);
}

TEST(ArrowCData, AChildMovedAwayOutlivesItsParent) {
  TensorMap map;
  map.set("x", DenseTensor::of<int64_t>({2}, {5, 6}));
  ArrowSchema schema;
  ArrowArray array;
  ASSERT_TRUE(export_map(map, &schema, &array).ok());
  ArrowArray child = *array.children[0];
  array.children[0]->release = nullptr;
  array.release(&array);
  schema.release(&schema);
  map = TensorMap();
  EXPECT_EQ(static_cast<const int64_t*>(child.buffers[1])[1], 6);
  child.release(&child);
}

TEST(ArrowCData, OffsetsOfStructsAndChildrenAddUp) {
  TensorMap map;
  map.set("x", DenseTensor::of<int64_t>({5}, {0, 1, 2, 3, 4}));
  map.set("f", DenseTensor::of<bool>({5}, {true, false, true, true, false}));
  map.set("s", DenseTensor::of_strings({5}, {"a", "b", "c", "d", "e"}));
  map.set("r",
          *RaggedTensor::make({DenseTensor::of<int64_t>({6}, {0, 1, 2, 3, 4, 5})}, DenseTensor::of<int32_t>({5}, {10, 11, 12, 13, 14})));
  map.set("t", DenseTensor::of<float>({5, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  ArrowSchema schema;
  ArrowArray array;
  ASSERT_TRUE(export_map(map, &schema, &array).ok());
  array.offset = 1;
  array.length = 3;
  for (int i = 0; i < 5; ++i) {
    array.children[i]->offset = 1;
    array.children[i]->length = 4;
  }
  const auto out = import_array(&schema, &array);
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_TRUE(identical((*out)[0].tensor, Tensor(DenseTensor::of<int64_t>({3}, {2, 3, 4}))));
  EXPECT_TRUE(identical((*out)[1].tensor, Tensor(DenseTensor::of<bool>({3}, {true, true, false}))));
  EXPECT_TRUE(identical((*out)[2].tensor, Tensor(DenseTensor::of_strings({3}, {"c", "d", "e"}))));
  EXPECT_EQ(std::get<RaggedTensor>((*out)[3].tensor).flat_values().values<int32_t>()[0], 12);
  EXPECT_TRUE(identical((*out)[4].tensor, Tensor(DenseTensor::of<float>({3, 2}, {4, 5, 6, 7, 8, 9}))));
}

TEST(ArrowCData, AReleasedArrayIsRefused) {
  ArrowSchema schema{};
  ArrowArray array{};
  EXPECT_EQ(import_array(&schema, &array).status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace ferry::arrow
