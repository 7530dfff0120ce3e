#include <gtest/gtest.h>

#include <cmath>

#include "ferry/format.h"
#include "ferry/sparse.h"
#include "formats/arrow/bits.h"
#include "formats/arrow/encode.h"
#include "formats/arrow/ipc_reader.h"
#include "formats/arrow/path.h"

namespace ferry {
namespace arrow {
extern const Format kFormat;
}
namespace arrows {
extern const Format kFormat;
}
namespace {

Result<TensorMap> read(std::string_view bytes, const ReadOptions& options = {}) {
  FERRY_ASSIGN_OR_RETURN(Buffer data, Buffer::copy_of(bytes));
  return read_tensors(memory_source(std::move(data)), &arrow::kFormat, options);
}

TensorMap map_of(std::initializer_list<std::pair<std::string, Tensor>> tensors) {
  TensorMap out;
  for (const auto& [name, tensor] : tensors) out.set(name, tensor);
  return out;
}

void expect_round_trip(const TensorMap& tensors, const WriteOptions& options = {}) {
  for (const Format* format : {&arrow::kFormat, &arrows::kFormat}) {
    auto bytes = to_bytes(tensors, *format, options);
    ASSERT_TRUE(bytes.ok()) << bytes.status().to_string();
    auto again = read(*bytes);
    ASSERT_TRUE(again.ok()) << again.status().to_string();
    EXPECT_TRUE(identical(tensors, *again));
    EXPECT_EQ(tensors.metadata, again->metadata);
    for (size_t i = 0; i < tensors.size() && i < again->size(); ++i) EXPECT_EQ(tensors[i].metadata, (*again)[i].metadata);
    EXPECT_TRUE(*bytes == *to_bytes(*again, *format, options));
  }
}

RaggedTensor ragged(std::initializer_list<int32_t> splits, DenseTensor values) {
  return *RaggedTensor::make({DenseTensor::vector<int32_t>(std::span(splits.begin(), splits.size()))}, std::move(values));
}

SparseTensor sample_coo() {
  return *SparseTensor::coo({3, 4}, DenseTensor::of<int64_t>({2, 2}, {0, 1, 2, 3}), DenseTensor::of<float>({2}, {1.5f, -2.0f}));
}

TEST(Arrow, EveryFixedSizeDTypeKeepsEveryBitInEveryArrangement) {
  for (const DType dtype : kAllDTypes) {
    if (!is_fixed_size(dtype)) continue;
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{3, 2}, Shape{2, 1, 3}, Shape{0}, Shape{0, 3}, Shape{3, 0}, Shape{2, 0, 4}}) {
      const auto count = static_cast<size_t>(*shape.num_elements());
      std::string bytes(count * dtype_size(dtype), '\0');
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(dtype == DType::bool_ ? i % 3 == 0 : i * 37 + 11);
      const DenseTensor tensor = *DenseTensor::make(dtype, shape, *Buffer::copy_of(bytes));
      SCOPED_TRACE(concat(dtype_name(dtype), " ", shape.to_string()));
      expect_round_trip(map_of({{"x", tensor}}));
      WriteOptions one;
      one.format.set("rows", "one");
      expect_round_trip(map_of({{"x", tensor}}), one);
    }
  }
}

TEST(Arrow, TensorsOfEquallyManyRowsShareATable) {
  const SparseTensor csr = *to_layout(sample_coo(), Layout::csr);
  const TensorMap map = map_of({{"label", DenseTensor::of<int64_t>({3}, {1, 0, 1})},
                                {"image", DenseTensor::of<float>({3, 2}, {1, 2, 3, 4, 5, 6})},
                                {"words", ragged({0, 2, 2, 3}, DenseTensor::of_strings({3}, {"a", "\xff", "c"}))},
                                {"features", csr}});
  const auto table = arrow::encode_table(map);
  ASSERT_TRUE(table.ok()) << table.status().to_string();
  EXPECT_EQ(table->rows, 3);
  EXPECT_EQ(table->schema.fields[1].extension(), "arrow.fixed_shape_tensor");
  EXPECT_EQ(table->schema.fields[1].extension_metadata(), "{\"shape\":[2]}");
  EXPECT_EQ(table->schema.fields[2].children[0].type.id, arrow::TypeId::large_binary);
  EXPECT_EQ(table->schema.fields[3].children[0].children[1].name, "value");
  expect_round_trip(map);
}

TEST(Arrow, TensorsOfDifferentRowsAreOneRowEach) {
  const SparseTensor coo = sample_coo();
  const TensorMap map = map_of({{"scalar", DenseTensor::scalar<double>(2.5)},
                                {"vector", DenseTensor::of<int32_t>({2}, {1, 2})},
                                {"matrix", DenseTensor::of<float>({3, 1}, {1, 2, 3})},
                                {"strings", DenseTensor::of_strings({1, 2}, {"x", "y"})},
                                {"word", DenseTensor::of_strings({}, {"x"})},
                                {"empty", DenseTensor::of<float>(Shape{2, 0}, std::span<const float>())},
                                {"coo", coo},
                                {"csr", *to_layout(coo, Layout::csr)},
                                {"csc", *to_layout(coo, Layout::csc, DType::int64)},
                                {"ragged", ragged({0, 1, 1}, DenseTensor::of<float>({1, 2}, {1, 2}))}});
  const auto table = arrow::encode_table(map);
  ASSERT_TRUE(table.ok()) << table.status().to_string();
  EXPECT_EQ(table->rows, 1);
  expect_round_trip(map);
}

TEST(Arrow, NestedRaggedTensorsOfBothSplitTypesComeBack) {
  const auto splits = [](std::initializer_list<int64_t> values) {
    return DenseTensor::vector<int64_t>(std::span(values.begin(), values.size()));
  };
  const RaggedTensor deep = *RaggedTensor::make({splits({0, 2, 2, 3}), splits({0, 1, 1, 3})},
                                                DenseTensor::of<int16_t>({3, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  expect_round_trip(map_of({{"deep", deep}, {"flat", ragged({0, 0, 1, 4}, DenseTensor::of<bool>({4}, {true, false, true, true}))}}));
  expect_round_trip(map_of({{"complex", ragged({0, 1, 2}, DenseTensor::of<std::complex<float>>({2}, {{1, 2}, {3, -4}}))}}));
  expect_round_trip(map_of({{"no rows", ragged({0}, DenseTensor::of<float>(Shape{0, 3}, std::span<const float>()))}}));
  expect_round_trip(map_of({{"hollow", ragged({0, 2, 3}, DenseTensor::of<float>(Shape{3, 0}, std::span<const float>()))}}));
}

TEST(Arrow, TensorsWithoutElementsKeepAxesThatMultiplyToAnything) {
  const int64_t big = int64_t{1} << 40;
  for (const Shape& shape : {Shape{0, big, big}, Shape{big, big, 0}, Shape{3, 0, big, big}, Shape{big, 0, big}}) {
    SCOPED_TRACE(shape.to_string());
    const DenseTensor empty = *DenseTensor::make(DType::float32, shape, Buffer());
    WriteOptions one;
    one.format.set("rows", "one");
    expect_round_trip(map_of({{"x", empty}}), one);
    expect_round_trip(map_of({{"x", empty}}));
  }
}

TEST(Arrow, SparseTensorsOfEveryRankAndValueComeBack) {
  expect_round_trip(
      map_of({{"huge", *SparseTensor::coo({int64_t{1} << 50, int64_t{1} << 50}, DenseTensor::of<int64_t>({1, 2}, {int64_t{1} << 49, 7}),
                                          DenseTensor::of<float>({1}, {1}))}}));
  expect_round_trip(map_of({{"rank 0", *SparseTensor::coo({}, DenseTensor::of<int64_t>(Shape{1, 0}, std::span<const int64_t>()),
                                                          DenseTensor::of<float>({1}, {1}))}}));
  expect_round_trip(map_of({{"empty", *SparseTensor::coo({3, 4, 5}, DenseTensor::of<int64_t>(Shape{0, 3}, std::span<const int64_t>()),
                                                         DenseTensor::of<float>(Shape{0}, std::span<const float>()))}}));
  expect_round_trip(
      map_of({{"text", *SparseTensor::coo({5}, DenseTensor::of<int64_t>({2, 1}, {1, 4}), DenseTensor::of_strings({2}, {"a", "b"}))}}));
  expect_round_trip(map_of({{"bf16", *SparseTensor::coo({5}, DenseTensor::of<int64_t>({2, 1}, {1, 4}),
                                                        DenseTensor::of<BFloat16>({2}, {BFloat16(1), BFloat16(2)}))}}));
}

TEST(Arrow, MetadataOfTheMapAndOfTensorsComesBack) {
  TensorMap map = map_of({{"x", DenseTensor::of<float>({2, 2}, {1, 2, 3, 4})}});
  map.metadata.set("who", "me");
  map[0].metadata.set("unit", "m");
  map[0].metadata.set("arrow.dim_names", "[\"width\"]");
  expect_round_trip(map);
  map[0].metadata.set("ferry.dtype", "float64");
  EXPECT_EQ(to_bytes(map, arrow::kFormat).status().code(), StatusCode::invalid_argument);
}

TEST(Arrow, CompressedFilesComeBackAndAreSmaller) {
  const std::vector<int64_t> zeros(10000, 7);
  const TensorMap map = map_of({{"x", DenseTensor::vector<int64_t>(zeros)}});
  const auto plain = to_bytes(map, arrow::kFormat);
  for (const std::string codec : {"lz4", "zstd"}) {
    WriteOptions options;
    options.format.set("compression", codec);
    expect_round_trip(map, options);
    EXPECT_LT(to_bytes(map, arrow::kFormat, options)->size(), plain->size() / 10);
  }
  WriteOptions wrong;
  wrong.format.set("compression", "brotli");
  EXPECT_EQ(to_bytes(map, arrow::kFormat, wrong).status().code(), StatusCode::invalid_argument);
}

TEST(Arrow, AnUncompressedFileIsReadWhereItLies) {
  const std::vector<float> values(1000, 1.0f);
  const std::string bytes = *to_bytes(map_of({{"x", DenseTensor::vector<float>(values)}}), arrow::kFormat);
  const Buffer data = *Buffer::copy_of(std::string_view(bytes));
  const auto tensors = read_tensors(memory_source(data), &arrow::kFormat);
  ASSERT_TRUE(tensors.ok());
  const auto* raw = static_cast<const std::byte*>(std::get<DenseTensor>((*tensors)[0].tensor).raw());
  EXPECT_GE(raw, data.data());
  EXPECT_LT(raw, data.data() + data.size());
  EXPECT_EQ((raw - data.data()) % 64, 0);
}

TEST(Arrow, ChosenColumnsAloneAreRead) {
  const std::string bytes =
      *to_bytes(map_of({{"a", DenseTensor::of<float>({1}, {1})}, {"b", DenseTensor::of<float>({1}, {2})}}), arrow::kFormat);
  ReadOptions options;
  options.format.set("columns", "b");
  const auto tensors = read(bytes, options);
  ASSERT_TRUE(tensors.ok());
  ASSERT_EQ(tensors->size(), 1u);
  EXPECT_EQ((*tensors)[0].name, "b");
}

TEST(Arrow, ABigEndianSchemaIsRefused) {
  flatbuffers::TableWriter schema;
  schema.scalar<int16_t>(0, 1).tables(1, {});
  flatbuffers::TableWriter message;
  message.scalar<int16_t>(0, 4).scalar<uint8_t>(1, 1).table(2, std::move(schema)).scalar<int64_t>(3, 0);
  const std::string metadata = message.finish();
  std::string bytes(8, '\xff');
  const auto length = static_cast<int32_t>(metadata.size());
  std::memcpy(bytes.data() + 4, &length, 4);
  const auto tensors = read(bytes + metadata);
  EXPECT_EQ(tensors.status().code(), StatusCode::unsupported);
  EXPECT_NE(tensors.status().message().find("big-endian"), std::string_view::npos);
}

TEST(Arrow, WithoutPartsASparseColumnIsItsLists) {
  const std::string bytes = *to_bytes(map_of({{"x", sample_coo()}}), arrow::kFormat);
  ReadOptions options;
  options.parts.enabled = false;
  const auto tensors = read(bytes, options);
  ASSERT_TRUE(tensors.ok()) << tensors.status().to_string();
  ASSERT_EQ(tensors->size(), 3u);
  EXPECT_EQ((*tensors)[0].name, "x/indices");
}

TEST(Arrow, AnIndexOutsideTheShapeIsAnError) {
  const auto outside = SparseTensor::coo({3}, DenseTensor::of<int64_t>({1, 1}, {3}), DenseTensor::of<float>({1}, {1}));
  const auto tensors = read(*to_bytes(map_of({{"x", *outside}}), arrow::kFormat));
  EXPECT_FALSE(tensors.ok());
}

TEST(ArrowBits, PackingAndUnpackingAgreeAtEveryOffset) {
  std::vector<uint8_t> bytes(77);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7 % 5 < 2 ? (i % 2 ? 255 : 1) : 0);
  std::vector<uint8_t> bits(10);
  arrow::pack_bits(bytes.data(), 77, bits.data());
  for (int64_t begin = 0; begin < 77; ++begin) {
    for (int64_t end = begin; end <= 77; ++end) {
      std::vector<uint8_t> out(static_cast<size_t>(end - begin));
      arrow::unpack_bits(bits.data(), begin, end, out.data());
      for (int64_t i = begin; i < end; ++i) ASSERT_EQ(out[static_cast<size_t>(i - begin)], bytes[static_cast<size_t>(i)] != 0);
    }
  }
}

}  // namespace
}  // namespace ferry
