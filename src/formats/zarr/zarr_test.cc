#include <gtest/gtest.h>

#include <zlib.h>

#include <numeric>

#include "ferry/format.h"
#include "formats/zarr/strided.h"
#include "io/chunk_codec.h"
#include "io/zip.h"
#include "wire/json_tree.h"

namespace ferry::zarr {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

std::shared_ptr<const ByteSource> store(const Files& files) {
  std::string bytes;
  const auto sink = memory_sink(bytes);
  ZipWriter zip(*sink);
  for (const auto& [name, data] : files) EXPECT_TRUE(zip.add(name, std::as_bytes(std::span(data))).ok());
  EXPECT_TRUE(zip.finish().ok());
  return memory_source(*Buffer::copy_of(std::string_view(bytes)), "x.zarr.zip");
}

std::string meta(std::string_view shape, std::string_view chunks, std::string_view dtype, std::string_view fill,
                 std::string_view more = "") {
  return concat("{\"zarr_format\":2,\"shape\":", shape, ",\"chunks\":", chunks, ",\"dtype\":\"", dtype,
                "\",\"compressor\":null,\"fill_value\":", fill, ",\"order\":\"C\",\"filters\":null", more, "}");
}

Result<DenseTensor> read_one(const Files& files) {
  FERRY_ASSIGN_OR_RETURN(const TensorMap map, read_tensors(store(files), find_format("zarr")));
  return std::get<DenseTensor>(map[0].tensor);
}

std::string bytes_of(std::initializer_list<int16_t> values) {
  return std::string(reinterpret_cast<const char*>(std::data(values)), values.size() * 2);
}

TEST(Zarr, MissingChunksAreTheFillValue) {
  auto x = read_one({{".zarray", meta("[3,3]", "[2,2]", "<i2", "7")}, {"0.1", bytes_of({1, -1, 2, -1})}});
  ASSERT_TRUE(x.ok()) << x.status().to_string();
  const std::vector<int16_t> expected{7, 7, 1, 7, 7, 2, 7, 7, 7};
  EXPECT_TRUE(std::ranges::equal(x->values<int16_t>(), expected));
}

TEST(Zarr, AnArrayWithoutAxesHasOneChunk) {
  auto x = read_one({{".zarray", meta("[]", "[]", ">i2", "0")}, {"0", bytes_of({256})}});
  ASSERT_TRUE(x.ok()) << x.status().to_string();
  EXPECT_EQ(x->values<int16_t>()[0], 1);
}

TEST(Zarr, FillValuesInTheirSpellings) {
  const auto fill = [](std::string_view dtype, std::string_view value) {
    auto x = read_one({{".zarray", meta("[1]", "[1]", dtype, value)}});
    EXPECT_TRUE(x.ok()) << x.status().to_string();
    return *x;
  };
  EXPECT_TRUE(std::isnan(fill("<f4", "\"NaN\"").values<float>()[0]));
  EXPECT_EQ(fill("<f8", "\"-Infinity\"").values<double>()[0], -std::numeric_limits<double>::infinity());
  EXPECT_EQ(fill("<f4", "\"0x40200000\"").values<float>()[0], 2.5f);
  EXPECT_EQ(fill("<i8", "-9223372036854775808").values<int64_t>()[0], INT64_MIN);
  EXPECT_EQ(fill("|b1", "true").values<uint8_t>()[0], 1);
  EXPECT_EQ(fill("<c8", "[1.0,-2.0]").values<std::complex<float>>()[0], std::complex<float>(1, -2));
  EXPECT_EQ(fill("<f4", "null").values<float>()[0], 0.0f);
  EXPECT_EQ(fill("|S3", "\"YWI=\"").strings()[0], "ab");
  EXPECT_EQ(read_one({{".zarray", meta("[1]", "[1]", "<i2", "\"x\"")}}).status().code(), StatusCode::data_loss);
}

TEST(Zarr, OneWholeChunkIsAView) {
  const auto source =
      store({{"a/.zarray", meta("[4]", "[4]", "<i2", "0")}, {".zgroup", "{\"zarr_format\":2}"}, {"a/0", bytes_of({1, 2, 3, 4})}});
  auto reader = open_tensors(Place{source, nullptr});
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  EXPECT_TRUE((*reader)->tensors()[0].zero_copy);
  auto x = (*reader)->read(0);
  ASSERT_TRUE(x.ok());
  const Buffer all = *source->view(0, source->size());
  const auto* at = static_cast<const std::byte*>(std::get<DenseTensor>(*x).raw());
  EXPECT_TRUE(at > all.data() && at < all.data() + all.size());
}

TEST(Zarr, SparsePlacesOfAHugeGridAreCheap) {
  ReadOptions options;
  auto map =
      read_tensors(store({{".zarray", meta("[10000000]", "[1]", "<i2", "0")}, {"9999999", bytes_of({5})}}), find_format("zarr"), options);
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  EXPECT_EQ(std::get<DenseTensor>((*map)[0].tensor).values<int16_t>()[9999999], 5);
  options.limits.free_expanded_bytes = 1 << 20;
  EXPECT_EQ(read_tensors(store({{".zarray", meta("[10000000]", "[1]", "<i2", "0")}}), find_format("zarr"), options).status().code(),
            StatusCode::limit_exceeded);
}

std::string meta_v3(std::string_view shape, std::string_view chunks, std::string_view codecs) {
  return concat("{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":", shape,
                ",\"data_type\":\"uint8\",\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":", chunks,
                "}},\"chunk_key_encoding\":{\"name\":\"default\"},\"fill_value\":0,\"codecs\":", codecs, "}");
}

TEST(Zarr, AnEmptyArrayMayHaveHugeAxes) {
  auto x = read_one({{".zarray", meta("[0,1099511627776,1099511627776]", "[1,1,1]", "<i2", "0")}});
  ASSERT_TRUE(x.ok()) << x.status().to_string();
  EXPECT_EQ(x->num_elements(), 0);
}

TEST(Zarr, ChunksPastTheEndOfTheArrayMayLieAnywhere) {
  // A shard of 2^62 rows, of which the array has two.
  const std::string codecs =
      "[{\"name\":\"sharding_indexed\",\"configuration\":{\"chunk_shape\":[1152921504606846976,1],\"codecs\":[{\"name\":\"bytes\"}],"
      "\"index_codecs\":[{\"name\":\"bytes\"}]}}]";
  auto x = read_one({{"zarr.json", meta_v3("[2,1048576]", "[4611686018427387904,1]", codecs)}, {"c/0/5", std::string(64, '\xff')}});
  ASSERT_TRUE(x.ok()) << x.status().to_string();
  EXPECT_EQ(x->num_elements(), 2 << 20);
}

TEST(Zarr, OneStoredChunkDoesNotStandForAThousand) {
  // Rows of 64 KiB of which the array has one byte, all of them the same few bytes of the shard.
  const std::string packed = [] {
    std::string out(1000, '\0');
    const std::string zeros(65536, '\0');
    uLongf size = out.size();
    EXPECT_EQ(::compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(zeros.data()), zeros.size()), Z_OK);
    out.resize(size);
    return out;
  }();
  std::string shard = packed;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t place[] = {0, packed.size()};
    shard.append(reinterpret_cast<const char*>(place), sizeof(place));
  }
  const std::string codecs =
      "[{\"name\":\"sharding_indexed\",\"configuration\":{\"chunk_shape\":[1,65536],\"codecs\":[{\"name\":\"bytes\"},"
      "{\"name\":\"numcodecs.zlib\"}],\"index_codecs\":[{\"name\":\"bytes\"}]}}]";
  const Files files{{"zarr.json", meta_v3("[1000,1]", "[1000,65536]", codecs)}, {"c/0/0", shard}};
  EXPECT_TRUE(read_one(files).ok());
  ReadOptions options;
  options.limits.free_expanded_bytes = 1 << 20;
  EXPECT_EQ(read_tensors(store(files), find_format("zarr"), options).status().code(), StatusCode::limit_exceeded);
}

TEST(Zarr, ChunksFarLargerThanTheirArrayAreRefused) {
  Files files{{".zarray", meta("[100,1]", "[1,65536]", "|u1", "0", "")}};
  auto& document = files[0].second;
  document.replace(document.find("null"), 4, "{\"id\":\"zlib\"}");
  for (int i = 0; i < 100; ++i) files.emplace_back(concat(i, ".0"), "x");
  ReadOptions options;
  options.limits.free_expanded_bytes = 1 << 20;
  EXPECT_EQ(read_tensors(store(files), find_format("zarr"), options).status().code(), StatusCode::limit_exceeded);
  EXPECT_EQ(read_tensors(store(files), find_format("zarr")).status().code(), StatusCode::data_loss);
}

TEST(Zarr, NamesThatLeaveTheStoreAreRefused) {
  const std::string all = concat("{\"metadata\":{\"../x/.zarray\":", meta("[1]", "[1]", "<i2", "0"), "}}");
  EXPECT_EQ(read_tensors(store({{".zgroup", "{}"}, {".zmetadata", all}}), find_format("zarr")).status().code(),
            StatusCode::invalid_argument);
}

TEST(CopyBox, TransposesAndClips) {
  std::vector<uint32_t> from(24), to(24, 99);
  std::iota(from.begin(), from.end(), 0u);
  const int64_t shape[] = {2, 3, 2}, from_strides[] = {12, 4, 1}, to_strides[] = {1, 2, 6};
  copy_box(reinterpret_cast<std::byte*>(to.data()), to_strides, reinterpret_cast<const std::byte*>(from.data()), from_strides, shape, 4);
  for (int64_t i = 0; i < 2; ++i) {
    for (int64_t j = 0; j < 3; ++j) {
      for (int64_t k = 0; k < 2; ++k) EXPECT_EQ(to[static_cast<size_t>(i + 2 * j + 6 * k)], static_cast<uint32_t>(12 * i + 4 * j + k));
    }
  }
  EXPECT_EQ(to[12], 99u);
}

TEST(ChunkCodec, WhatExpandsTooFarIsRefused) {
  const std::string size_and_rubbish("\xff\xff\xff\x7f\0\0\0\0", 8);
  for (const ChunkCodec codec : {ChunkCodec::zlib, ChunkCodec::zstd, ChunkCodec::lz4}) {
    EXPECT_EQ(expand_chunk(codec, std::as_bytes(std::span(size_and_rubbish)), 16, 1 << 20).status().code(), StatusCode::data_loss);
    EXPECT_EQ(expand_chunk(codec, {}, 16, 16).status().code(), StatusCode::data_loss);
  }
}

TEST(JsonTree, KeepsNumbersAsTheyStand) {
  auto tree = json::parse_tree("{\"a\": [1, -2], \"b\": {\"c\": \"x\\n\"}, \"d\": 18446744073709551615}");
  ASSERT_TRUE(tree.ok());
  EXPECT_EQ(tree->find("a")->integers(), (std::vector<int64_t>{1, -2}));
  EXPECT_EQ(tree->find("b")->find("c")->text, "x\n");
  EXPECT_EQ(tree->find("d")->text, "18446744073709551615");
  EXPECT_FALSE(tree->find("d")->integer());
  EXPECT_EQ(tree->find("e"), nullptr);
  EXPECT_FALSE(json::parse_tree(std::string(1000, '[')).ok());
}

TEST(JsonTree, TakesNoMoreMemoryThanItMay) {
  std::string zeros = "[0";
  for (int i = 0; i < 10000; ++i) zeros += ",0";
  const std::string nested = concat(std::string(90, '['), "\"", std::string(10000, 'x'), "\"", std::string(90, ']'));
  for (const std::string& text : {zeros + "]", nested}) {
    EXPECT_TRUE(json::parse_tree(text).ok());
    EXPECT_EQ(json::parse_tree(text, 500'000).status().code(), StatusCode::limit_exceeded);
  }
}

}  // namespace
}  // namespace ferry::zarr
