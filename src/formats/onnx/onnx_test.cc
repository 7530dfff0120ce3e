// What the onnx package writes is among the goldens; here are values by hand, and what we write.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ferry/format.h"
#include "ferry/sparse.h"
#include "formats/onnx/model.h"
#include "wire/protobuf.h"

namespace ferry::onnx {
extern const Format kFormat;
namespace {

using namespace std::string_literals;

std::string head(std::initializer_list<int64_t> dims, int32_t type, std::string_view name = "x") {
  std::string out;
  for (const int64_t dim : dims) proto::append_varint_field(out, kDims, static_cast<uint64_t>(dim));
  proto::append_varint_field(out, kDataType, static_cast<uint64_t>(type));
  if (!name.empty()) proto::append_bytes_field(out, kName, name);
  return out;
}
std::string raw(std::initializer_list<int64_t> dims, int32_t type, std::string_view bytes, std::string_view name = "x") {
  std::string out = head(dims, type, name);
  proto::append_bytes_field(out, kRawData, bytes);
  return out;
}
std::string int32_values(std::initializer_list<int64_t> dims, int32_t type, std::initializer_list<int64_t> values) {
  std::string out = head(dims, type), packed;
  for (const int64_t value : values) proto::append_varint(packed, static_cast<uint64_t>(value));
  proto::append_bytes_field(out, kInt32Data, packed);
  return out;
}

Result<TensorMap> parse(std::string_view bytes) {
  FERRY_ASSIGN_OR_RETURN(Buffer data, Buffer::copy_of(bytes));
  return read_tensors(memory_source(std::move(data)), &kFormat);
}

template <class T>
void expect(const std::string& bytes, Shape shape, std::initializer_list<T> values) {
  const auto map = parse(bytes);
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  EXPECT_TRUE(identical((*map)[0].tensor, DenseTensor::of<T>(std::move(shape), values)));
}

TEST(Onnx, PackedElementsComeOneAByte) {
  expect<Int4>(raw({3}, 22, "\x8f\x07"), {3}, {Int4(-1), Int4(-8), Int4(7)});
  expect<UInt4>(raw({3}, 21, "\x8f\x07"), {3}, {UInt4(15), UInt4(8), UInt4(7)});
  expect<Int2>(raw({5}, 26, "\xe4\x03"), {5}, {Int2(0), Int2(1), Int2(-2), Int2(-1), Int2(-1)});
  expect<UInt2>(raw({4}, 25, "\xe4"), {4}, {UInt2(0), UInt2(1), UInt2(2), UInt2(3)});
  expect<Int4>(int32_values({3}, 22, {0x8f, 0x07}), {3}, {Int4(-1), Int4(-8), Int4(7)});
}

TEST(Onnx, OneTensorOfManyFieldsIsKnownForWhatItIs) {
  std::vector<int64_t> axes(254, 1);
  const std::vector<std::string_view> words(300, "ab");
  for (const DenseTensor& x : {DenseTensor::of_strings({300}, words), *DenseTensor::of<float>({1}, {2}).reshaped(Shape(axes)),
                               DenseTensor::of_strings({int64_t{1} << 40, 0, int64_t{1} << 40}, {})}) {
    TensorMap map;
    ASSERT_TRUE(map.add("", x).ok());
    const auto bytes = to_bytes(map, kFormat);
    ASSERT_TRUE(bytes.ok()) << bytes.status().to_string();
    const auto again = parse(*bytes);
    ASSERT_TRUE(again.ok()) << again.status().to_string();
    EXPECT_TRUE(identical((*again)[0].tensor, Tensor(x)));
  }
}

TEST(Onnx, NarrowTypesLieInInt32Data) {
  expect<int8_t>(int32_values({2}, 3, {-1, 5}), {2}, {-1, 5});
  expect<uint16_t>(int32_values({2}, 4, {65535, 5}), {2}, {65535, 5});
  expect<bool>(int32_values({2}, 9, {1, 0}), {2}, {true, false});
  expect<BFloat16>(int32_values({1}, 16, {0x3f80}), {1}, {BFloat16(1.0f)});
  EXPECT_EQ(parse(int32_values({1}, 9, {2})).status().code(), StatusCode::data_loss);
}

TEST(Onnx, SixBitFloatsAreShownAsBytesAndWrittenBack) {
  // 1, 2, 3, 4 as a stream of bits, lowest first.
  const std::string bits = "\x81\x30\x10"s;
  for (const std::string& bytes : {raw({4}, 27, bits), int32_values({4}, 27, {1, 2, 3, 4})}) {
    const auto map = parse(bytes);
    ASSERT_TRUE(map.ok()) << map.status().to_string();
    EXPECT_TRUE(identical((*map)[0].tensor, DenseTensor::of<uint8_t>({3}, {0x81, 0x30, 0x10})));
    EXPECT_EQ(*(*map)[0].metadata.find(kTypeKey), "FLOAT6E2M3");
    WriteOptions options;
    options.format.set("as", "tensor");
    EXPECT_EQ(*to_bytes(*map, kFormat, options), raw({4}, 27, bits));
  }
}

TEST(Onnx, DtypesThatOnnxLacksTravelUnderOthers) {
  for (const DType dtype : kAllDTypes) {
    if (!is_fixed_size(dtype)) continue;
    auto data = MutableBuffer::zeroed(2 * dtype_size(dtype));
    const auto x = DenseTensor::make(dtype, Shape{2}, std::move(*data).freeze());
    TensorMap map;
    map.set("x", *x);
    const auto bytes = to_bytes(map, kFormat);
    ASSERT_TRUE(bytes.ok()) << dtype_name(dtype) << bytes.status().to_string();
    const auto back = parse(*bytes);
    ASSERT_TRUE(back.ok()) << dtype_name(dtype) << back.status().to_string();
    EXPECT_TRUE(identical(map, *back)) << dtype_name(dtype);
    EXPECT_TRUE((*back)[0].metadata.empty()) << dtype_name(dtype);
  }
}

TEST(Onnx, OneTensorWithoutANameIsATensorProto) {
  TensorMap map;
  map.set("", DenseTensor::of<float>({1}, {1.0f}));
  map.metadata.set("author", "me");
  const std::string bytes = *to_bytes(map, kFormat);
  EXPECT_TRUE(bytes.starts_with(raw({1}, 1, "\0\0\x80\x3f"s, "")));
  const auto back = parse(bytes);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_EQ(*back->metadata.find("author"), "me");
  WriteOptions options;
  options.format.set("as", "model");
  EXPECT_EQ(to_bytes(map, kFormat, options).status().code(), StatusCode::unsupported) << "an initializer has a name";
}

TEST(Onnx, SparseThatOnnxCannotSayGoesInParts) {
  const auto indices = DenseTensor::of<int64_t>({2, 2}, {2, 0, 0, 1});
  const auto unsorted = *SparseTensor::coo({3, 4}, indices, DenseTensor::of<float>({2}, {1, 2}));
  TensorMap map;
  map.set("unsorted", unsorted);
  map.set("csr", *to_layout(unsorted, Layout::csr));
  map.set("csc", *to_layout(unsorted, Layout::csc));
  map.set("sorted", *sort(unsorted));
  const auto back = parse(*to_bytes(map, kFormat));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  ASSERT_EQ(back->size(), 4u);
  for (const auto& entry : map) {
    ASSERT_NE(back->find(entry.name), nullptr) << entry.name;
    EXPECT_TRUE(identical(entry.tensor, back->find(entry.name)->tensor)) << entry.name;
  }
}

TEST(Onnx, ExternalDataIsAViewOfTheFileBeside) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / "onnx_external";
  fs::create_directories(folder);
  std::ofstream(folder / "w.bin", std::ios::binary) << "skip\1\0\0\0\2\0\0\0"s;
  std::string tensor = head({2}, 6);
  for (const auto& [key, value] : {std::pair{"location", "w.bin"}, {"offset", "4"}, {"length", "8"}}) {
    std::string entry;
    proto::append_bytes_field(entry, 1, key);
    proto::append_bytes_field(entry, 2, value);
    proto::append_bytes_field(tensor, kExternalData, entry);
  }
  proto::append_varint_field(tensor, kDataLocation, 1);
  std::ofstream(folder / "x.pb", std::ios::binary) << tensor;
  const auto map = load((folder / "x.pb").string());
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  EXPECT_TRUE(identical((*map)[0].tensor, DenseTensor::of<int32_t>({2}, {1, 2})));
  const auto lost = parse(tensor);
  EXPECT_EQ(lost.status().code(), StatusCode::unsupported) << "bytes in memory lie in no folder";
  fs::remove_all(folder);
}

TEST(Onnx, TellsItsMessagesFromOthers) {
  const auto kind = [](std::string_view text, bool whole = true) { return kind_of(std::as_bytes(std::span(text)), whole); };
  EXPECT_EQ(kind(raw({3}, 1, std::string(12, '\0'))), Kind::tensor);
  EXPECT_EQ(kind(raw({3}, 1, std::string(11, '\0'))), Kind::none) << "sizes must fit";
  EXPECT_EQ(kind(raw({2, 1 << 20}, 1, std::string(8 << 20, '\0')).substr(0, 100), false), Kind::tensor);
  EXPECT_EQ(kind("\x08\x01\x12\x04\x12\x02\x08\x03"s), Kind::none) << "TensorFlow's TensorProto, SavedModel";
  EXPECT_EQ(kind("\x0a\x08\x0a\x01"
                 "a\x12\x03"
                 "NoO"s),
            Kind::none)
      << "TensorFlow's GraphDef";
  EXPECT_EQ(kind("\x08\x08\x3a\x00"s), Kind::model);
  EXPECT_EQ(kind(""), Kind::none);
  EXPECT_EQ(kind("hello"), Kind::none);
}

TEST(Onnx, ManyMetadataPropsAreRefused) {
  std::string bytes = raw({1}, 2, "a");
  for (int i = 0; i < 1000; ++i) {
    std::string entry;
    proto::append_bytes_field(entry, 1, concat(i));
    proto::append_bytes_field(bytes, kMetadataProps, entry);
  }
  EXPECT_EQ(parse(bytes).status().code(), StatusCode::limit_exceeded);
}

}  // namespace
}  // namespace ferry::onnx
