#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "ferry/format.h"
#include "ferry/sparse.h"
#include "formats/safetensors/header.h"

namespace ferry::safetensors {
namespace {

std::string file(std::string_view json, std::string_view data = "") {
  const uint64_t size = json.size();
  std::string out(reinterpret_cast<const char*>(&size), 8);
  return concat(out, json, data);
}

Result<TensorMap> load(std::string_view bytes, const ReadOptions& options = {}) {
  auto copy = Buffer::copy_of(bytes);
  return read_tensors(memory_source(*std::move(copy)), find_format("safetensors"), options);
}

std::string save(const TensorMap& tensors) {
  auto bytes = to_bytes(tensors, *find_format("safetensors"));
  EXPECT_TRUE(bytes.ok()) << bytes.status().to_string();
  return bytes.ok() ? *bytes : "";
}

std::string header_of(std::string_view bytes) {
  uint64_t size = 0;
  std::memcpy(&size, bytes.data(), 8);
  std::string json(bytes.substr(8, size));
  json.erase(json.find_last_not_of(' ') + 1);
  return json;
}

DenseTensor pattern(DType dtype, const Shape& shape) {
  auto data = MutableBuffer::zeroed(static_cast<size_t>(*shape.num_elements()) * dtype_size(dtype));
  const size_t mask = dtype == DType::bool_ ? 1 : dtype == DType::float4_e2m1fn ? 15 : 255;
  for (size_t i = 0; i < data->size(); ++i) data->data()[i] = static_cast<std::byte>(i * 37 & mask);
  return *DenseTensor::make(dtype, shape, (*std::move(data)).freeze());
}

TEST(Safetensors, EveryDtypeComesBackAsItWasInEveryShape) {
  for (const DType dtype : kAllDTypes) {
    if (!is_fixed_size(dtype)) continue;
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{3}, Shape{2, 0, 4}, Shape{3, 2}, Shape{2, 3}, Shape{1, 1, 1, 1, 1, 1, 1, 2}}) {
      TensorMap map;
      map.set("x", pattern(dtype, shape));
      map.metadata.set("who", "me");
      auto back = load(save(map));
      ASSERT_TRUE(back.ok()) << back.status().to_string();
      EXPECT_TRUE(identical(*back, map)) << dtype_name(dtype) << shape.to_string();
      EXPECT_EQ(back->metadata, map.metadata) << dtype_name(dtype);
      EXPECT_TRUE((*back)[0].metadata.empty()) << dtype_name(dtype);
    }
  }
}

TEST(Safetensors, HeaderIsTheLibrarysForTheSameOrder) {
  TensorMap map;
  map.set("b", DenseTensor::of<int64_t>(Shape{}, {7}));
  map.set("a", DenseTensor::of<float>(Shape{2, 3}, {1, 2, 3, 4, 5, 6}));
  const std::string bytes = save(map);
  EXPECT_EQ(header_of(bytes),
            R"({"b":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]}})");
  EXPECT_EQ((bytes.size() - 32) % 8, 0u);
}

TEST(Safetensors, WideElementsLieFirstAndNamesKeepTheirOrder) {
  TensorMap map;
  map.set("z", DenseTensor::of<uint8_t>(Shape{3}, {1, 2, 3}));
  map.set("m", DenseTensor::of<std::complex<double>>(Shape{1}, {{1, 2}}));
  map.set("a", DenseTensor::of<float>(Shape{1}, {1}));
  map.set("b", DenseTensor::of<double>(Shape{1}, {1}));
  auto source = memory_source(*Buffer::copy_of(std::string_view(save(map))));
  auto reader = find_format("safetensors")->open(source, {});
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  const auto tensors = (*reader)->tensors();
  ASSERT_EQ(tensors.size(), 4u);
  EXPECT_EQ(tensors[0].name, "z");
  EXPECT_EQ(tensors[3].name, "b");
  EXPECT_LT(*tensors[1].offset, *tensors[3].offset);
  EXPECT_LT(*tensors[3].offset, *tensors[2].offset);
  EXPECT_LT(*tensors[2].offset, *tensors[0].offset);
  for (const auto& info : tensors) EXPECT_TRUE(info.zero_copy) << info.name;
}

TEST(Safetensors, DtypesWithoutANameTravelInOneThatOthersRead) {
  TensorMap map;
  map.set("q", pattern(DType::qint32, Shape{2}));
  map.set("c", pattern(DType::complex128, Shape{2}));
  map.set("f", pattern(DType::float4_e2m1fn, Shape{3}));
  const std::string header = header_of(save(map));
  EXPECT_NE(header.find(R"("q":{"dtype":"I32","shape":[2],)"), std::string::npos) << header;
  EXPECT_NE(header.find(R"("c":{"dtype":"F64","shape":[2,2],)"), std::string::npos) << header;
  EXPECT_NE(header.find(R"("f":{"dtype":"U8","shape":[3],)"), std::string::npos) << header;
  EXPECT_NE(header.find(R"("q/tensorferry_dtype":"qint32")"), std::string::npos) << header;
}

TEST(Safetensors, ADeclarationThatDoesNotFitItsArrayIsText) {
  auto map = load(
      file(R"({"__metadata__":{"x/tensorferry_dtype":"complex128"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "abcdefgh"));
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  EXPECT_EQ(dtype_of((*map)[0].tensor), DType::float32);
  EXPECT_NE((*map)[0].metadata.find("tensorferry_dtype"), nullptr);
}

TEST(Safetensors, BytesThatHaveNoDtypeKeepTheirName) {
  const std::string bytes =
      file(R"({"a":{"dtype":"F8_E8M0","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"F6_E2M3","shape":[2,2],"data_offsets":[2,5]}}  )",
           "abcde");
  auto map = load(bytes);
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  EXPECT_EQ(shape_of((*map)[1].tensor), Shape{3});
  EXPECT_EQ(*(*map)[1].metadata.find("safetensors_dtype"), "F6_E2M3");
  EXPECT_EQ(header_of(save(*map)),
            R"({"a":{"dtype":"F8_E8M0","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"F6_E2M3","shape":[2,2],"data_offsets":[2,5]}})");
  (*map)[1].metadata.set("safetensors_shape", "5,5");
  EXPECT_NE(header_of(save(*map)).find(R"("dtype":"U8","shape":[3])"), std::string::npos);
}

TEST(Safetensors, EveryKindComesBackWithItsMetadata) {
  TensorMap map;
  const auto pairs =
      *SparseTensor::coo({3, 4}, DenseTensor::of<int64_t>({2, 2}, {0, 1, 2, 0}), DenseTensor::of<float>({2}, {2, 5}), {true, true});
  Metadata unit;
  unit.set("unit", "m/s");
  ASSERT_TRUE(map.add("coo", pairs, unit).ok());
  ASSERT_TRUE(map.add("csr", *to_layout(pairs, Layout::csr), unit).ok());
  ASSERT_TRUE(map.add("csc", *to_layout(pairs, Layout::csc)).ok());
  ASSERT_TRUE(map.add("words", DenseTensor::of_strings({2, 2}, {"a", "", "b", std::string_view("c\0", 2)}), unit).ok());
  ASSERT_TRUE(
      map.add("rows", *RaggedTensor::make({DenseTensor::of<int64_t>({3}, {0, 2, 3})}, DenseTensor::of_strings({3}, {"x", "y", ""}))).ok());
  ASSERT_TRUE(map.add("", DenseTensor::scalar<double>(1), unit).ok());
  ASSERT_TRUE(map.add("wide", *SparseTensor::coo({5}, DenseTensor::of<int64_t>({1, 1}, {4}), pattern(DType::complex128, Shape{1}))).ok());
  map.metadata.set("made by", "\"hand\"\n");
  const std::string bytes = save(map);
  auto back = load(bytes);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(identical(*back, map));
  EXPECT_EQ(back->metadata, map.metadata);
  for (size_t i = 0; i < map.size(); ++i) EXPECT_EQ((*back)[i].metadata, map[i].metadata) << map[i].name;
  EXPECT_EQ(save(*back), bytes);
}

TEST(Safetensors, ViewsShareTheSourcesBytes) {
  TensorMap map;
  map.set("x", DenseTensor::of<double>(Shape{4}, {1, 2, 3, 4}));
  const Buffer buffer = *Buffer::copy_of(std::string_view(save(map)));
  auto reader = find_format("safetensors")->open(memory_source(buffer), {});
  ASSERT_TRUE(reader.ok());
  auto tensor = (*reader)->read(0);
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ(std::get<DenseTensor>(*tensor).raw(), buffer.data() + buffer.size() - 32);
}

TEST(Safetensors, WhatTheHeaderCannotSayIsRefused) {
  const auto refusal = [](const TensorMap& map) { return std::string(to_bytes(map, *find_format("safetensors")).status().message()); };
  TensorMap map;
  map.set("__metadata__", DenseTensor::scalar(1.0f));
  EXPECT_EQ(refusal(map), "safetensors keeps the name __metadata__ for itself; rename the tensor (--rename)");
  TensorMap bytes;
  bytes.set("\xff", DenseTensor::scalar(1.0f));
  EXPECT_EQ(refusal(bytes), "safetensors keeps names as JSON, and '\xff' is not UTF-8");
  TensorMap text;
  text.metadata.set("k", "\xff");
  EXPECT_NE(refusal(text).find("is not UTF-8"), std::string::npos);
  TensorMap twice;
  twice.metadata.set("a/b/c", "1");
  Metadata own;
  own.set("b/c", "2");
  ASSERT_TRUE(twice.add("a", DenseTensor::scalar(1.0f), own).ok());
  EXPECT_NE(refusal(twice).find("'a/b/c' has two"), std::string::npos);
  TensorMap parts;
  parts.set("x", *SparseTensor::coo({2}, DenseTensor::of<int64_t>({0, 1}, {}), DenseTensor::of<float>({0}, {})));
  parts.set("x/values", DenseTensor::scalar(1.0f));
  EXPECT_NE(refusal(parts).find("two arrays are named 'x/values'"), std::string::npos);
}

TEST(Safetensors, LimitsHold) {
  const std::string bytes =
      file(R"({"a":{"dtype":"U8","shape":[1,1,1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}})", "abcde");
  ASSERT_TRUE(load(bytes).ok());
  const auto code = [&](auto&& change) {
    ReadOptions options;
    change(options.limits);
    return load(bytes, options).status().code();
  };
  EXPECT_EQ(code([](Limits& l) { l.max_tensors = 1; }), StatusCode::limit_exceeded);
  EXPECT_EQ(code([](Limits& l) { l.max_tensor_bytes = 3; }), StatusCode::limit_exceeded);
  EXPECT_EQ(code([](Limits& l) { l.max_name_bytes = 0; }), StatusCode::limit_exceeded);
  EXPECT_NE(code([](Limits& l) { l.max_rank = 2; }), StatusCode::ok);
}

TEST(Safetensors, TheUsualWayAndTheGeneralWayReadTheSame) {
  const std::string usual =
      R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"I8","shape":[],"data_offsets":[8,9]}})";
  std::string spread;
  for (const char c : usual) {
    spread += c;
    if (c == ',' || c == ':' || c == '[' || c == '{') spread += " \n";
  }
  auto a = load(file(usual, "abcdefghi")), b = load(file(spread, "abcdefghi"));
  ASSERT_TRUE(a.ok() && b.ok()) << b.status().to_string();
  EXPECT_TRUE(identical(*a, *b));
  for (const std::string_view shape : {"[01]", "[1e0]", "[1.]", "[-0]", "[+1]", "[1,]", "[,1]", "[NaN]", "[18446744073709551616]"}) {
    EXPECT_FALSE(load(file(concat(R"({"a":{"dtype":"U8","shape":)", shape, R"(,"data_offsets":[0,1]}})"), "a")).ok()) << shape;
  }
}

TEST(Safetensors, SparseTensorsCarryADescriptorForOthers) {
  const auto pairs =
      *SparseTensor::coo({3, 4}, DenseTensor::of<int64_t>({2, 2}, {0, 1, 2, 0}), DenseTensor::of<float>({2}, {2, 5}), {true, true});
  TensorMap map;
  map.set("x", pairs);
  const std::string header = header_of(save(map));
  EXPECT_NE(header.find(R"("x/binsparse":"{\"binsparse\":{\"version\":\"0.1.0\",\"format\":\"COOR\",\"shape\":[3,4],)"), std::string::npos)
      << header;
  EXPECT_NE(header.find(R"(\"indices_1\":\"x/indices[:,1]\")"), std::string::npos) << header;
  // What Binsparse forbids is not described.
  map.set("x", *SparseTensor::coo({3, 4}, DenseTensor::of<int64_t>({2, 2}, {2, 0, 0, 1}), DenseTensor::of<float>({2}, {2, 5})));
  EXPECT_EQ(header_of(save(map)).find("binsparse"), std::string::npos);
}

TEST(Safetensors, NarrowIndicesTakeHalfAndComeBack) {
  TensorMap map;
  map.set("x",
          *SparseTensor::coo({3, 4}, DenseTensor::of<int64_t>({2, 2}, {0, 1, 2, 0}), DenseTensor::of<float>({2}, {2, 5}), {true, true}));
  const auto narrow = to_bytes(map, *find_format("safetensors"), [] {
    WriteOptions options;
    options.format.set("narrow", "true");
    return options;
  }());
  ASSERT_TRUE(narrow.ok());
  EXPECT_NE(header_of(*narrow).find(R"("x/indices":{"dtype":"I32")"), std::string::npos) << header_of(*narrow);
  EXPECT_NE(header_of(*narrow).find(R"(\"indices_0\":\"int32\")"), std::string::npos) << header_of(*narrow);
  auto back = load(*narrow);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(identical(*back, map));
}

TEST(Safetensors, DescriptorsOfOthersAreFollowed) {
  const std::string header =
      R"({"__metadata__":{"x/binsparse":"{\"binsparse\":{\"version\":\"0.1\",\"format\":\"CVEC\",\"shape\":[9],\"number_of_stored_values\":2,)"
      R"(\"data_types\":{\"indices_0\":\"uint8\",\"values\":\"iso[int8]\"}},\"unit\":\"m\"}"},)"
      R"("x/indices_0":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"x/values":{"dtype":"I8","shape":[1],"data_offsets":[2,3]},)"
      R"("y":{"dtype":"I8","shape":[1],"data_offsets":[3,4]}})";
  auto map = load(file(header, std::string_view("\3\7\5\1", 4)));
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  ASSERT_EQ(map->size(), 2u);
  const auto* x = map->find("x");
  ASSERT_NE(x, nullptr);
  EXPECT_TRUE(identical(*to_dense(std::get<SparseTensor>(x->tensor)), DenseTensor::of<int8_t>({9}, {0, 0, 0, 5, 0, 0, 0, 5, 0})));
  EXPECT_EQ(*x->metadata.find("unit"), "m");
}

// A set in a folder of its own.
class Shards : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "ferry_shards_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(std::string_view name) const { return concat(folder_, "/", name); }
  void put(std::string_view name, std::string_view bytes) const { std::ofstream(path(name), std::ios::binary) << bytes; }
  void put_shard(std::string_view name, std::initializer_list<std::string_view> tensors) const {
    TensorMap map;
    for (const auto tensor : tensors) map.set(std::string(tensor), DenseTensor::of<float>({1}, {static_cast<float>(tensor.size())}));
    map.metadata.set("format", "pt");
    put(name, save(map));
  }
  Result<TensorMap> load_index(std::string_view json) const {
    put("model.safetensors.index.json", json);
    return ferry::load(path("model.safetensors.index.json"));
  }

 private:
  std::string folder_;
};

TEST_F(Shards, OpenAsOneSet) {
  put_shard("a.safetensors", {"x", "yy"});
  put_shard("b.safetensors", {"zzz"});
  auto map = load_index(R"({"metadata":{"total_size":12},"weight_map":{"zzz":"b.safetensors","x":"a.safetensors"}})");
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  ASSERT_EQ(map->size(), 3u);
  EXPECT_EQ((*map)[0].name, "zzz");
  EXPECT_EQ((*map)[2].name, "yy");  // the index forgot it
  EXPECT_EQ(std::get<DenseTensor>((*map)[2].tensor).values<float>()[0], 2);
  EXPECT_EQ(*map->metadata.find("total_size"), "12");
  EXPECT_EQ(*map->metadata.find("format"), "pt");
}

TEST_F(Shards, PartsMayLieInDifferentShards) {
  TensorMap indices, rest;
  indices.set("s/indices", DenseTensor::of<int64_t>({1, 1}, {2}));
  rest.set("s/values", DenseTensor::of<float>({1}, {4}));
  rest.set("s/dense_shape", DenseTensor::of<int64_t>({1}, {5}));
  put("a.safetensors", save(indices));
  put("b.safetensors", save(rest));
  auto map = load_index(R"({"weight_map":{"s/indices":"a.safetensors","s/values":"b.safetensors","s/dense_shape":"b.safetensors"}})");
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  ASSERT_EQ(map->size(), 1u);
  EXPECT_EQ(kind_of((*map)[0].tensor), TensorKind::coo);
}

TEST_F(Shards, WhatIsWrongIsNamed) {
  put_shard("a.safetensors", {"x"});
  put_shard("b.safetensors", {"y"});
  put_shard("c.safetensors", {"x"});
  put("cut.safetensors", "\x10");
  const auto message = [&](std::string_view json) {
    auto map = load_index(json);
    return map.ok() ? std::string("was read") : std::string(map.status().message());
  };
  EXPECT_NE(message(R"({"weight_map":{"x":"gone.safetensors"}})").find("shard 'gone.safetensors': "), std::string::npos);
  EXPECT_NE(message(R"({"weight_map":{"x":"../a.safetensors"}})").find("shard '../a.safetensors': "), std::string::npos);
  EXPECT_NE(message(R"({"weight_map":{"x":"/etc/a.safetensors"}})").find("shard '/etc/a.safetensors': "), std::string::npos);
  EXPECT_NE(message(R"({"weight_map":{"x":"cut.safetensors"}})").find("shard 'cut.safetensors': "), std::string::npos);
  EXPECT_EQ(message(R"({"weight_map":{"z":"a.safetensors"}})"), "tensor 'z' is not in shard 'a.safetensors', where weight_map has it");
  EXPECT_EQ(message(R"({"weight_map":{"x":"b.safetensors","y":"a.safetensors"}})"),
            "tensor 'x' is in shard 'a.safetensors', weight_map has it in 'b.safetensors'");
  EXPECT_EQ(message(R"({"weight_map":{"x":"a.safetensors","w":"c.safetensors"}})"),
            "tensor 'x' is in two shards, 'a.safetensors' and 'c.safetensors'");
  EXPECT_EQ(message(R"({"weight_map":{"x":"a.safetensors","x":"a.safetensors"}})"), "weight_map has tensor 'x' twice");
  EXPECT_NE(message(R"({"weight_map":{"x":7,"y":"b.safetensors"}})").find("names no file"), std::string::npos);
  EXPECT_NE(message(R"({"weight_map":"a.safetensors"})").find("weight_map is no object"), std::string::npos);
  auto pipe = load(R"({"weight_map":{"x":"a.safetensors"}})");
  EXPECT_EQ(pipe.status().code(), StatusCode::unsupported);
}

// Whatever byte is damaged: what the index takes, the whole reader takes too, and says the same of it.
TEST(HeaderIndexTest, IsNoLessCarefulThanTheReader) {
  const std::vector<Item> items = {
      {"first", Type::F32, Shape{2, 3}, 0, 24}, {"b/c", Type::I8, Shape{}, 24, 25}, {"", Type::F64, Shape{0}, 25, 25}};
  Metadata metadata;
  metadata.set("format", "pt");
  const std::string sound = write_header(items, metadata, 8) + std::string(25, 'x');
  size_t taken = 0;
  for (size_t at = 0; at < sound.size(); ++at) {
    for (const unsigned bit : {0u, 1u, 2u, 4u, 7u}) {
      std::string text = sound;
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
      const auto source = memory_source(*Buffer::copy_of(std::string_view(text)));
      auto index = HeaderIndex::open(*source, {});
      if (!index.ok() || !index->has_value()) continue;
      ++taken;
      auto header = read_header(*source, {});
      ASSERT_TRUE(header.ok()) << "byte " << at << " bit " << bit << ": " << header.status().to_string();
      EXPECT_EQ((*index)->metadata(), header->metadata);
      EXPECT_EQ((*index)->data(), header->data);
      ASSERT_EQ((*index)->size(), header->items.size());
      for (size_t i = 0; i < header->items.size(); ++i) {
        const Item& whole = header->items[i];
        auto item = (*index)->item(i);
        ASSERT_TRUE(item.ok()) << item.status().to_string();
        EXPECT_TRUE(item->name == whole.name && item->type == whole.type && item->shape == whole.shape && item->begin == whole.begin &&
                    item->end == whole.end);
        EXPECT_EQ((*index)->find(whole.name), i);
      }
    }
  }
  EXPECT_GT(taken, 100u);
}

TEST(SafetensorsNames, TellWhatTheListingTells) {
  TensorMap map;
  for (int64_t i = 0; i < 40; ++i) ASSERT_TRUE(map.add(concat("layer", i, "/kernel"), DenseTensor::of<int64_t>(Shape{2}, {i, 7})).ok());
  const Format& format = *find_format("safetensors");
  const auto names_of = [&](const TensorMap& tensors) {
    const auto bytes = to_bytes(tensors, format);
    auto names = open_names({memory_source(*Buffer::copy_of(std::string_view(*bytes))), nullptr}, format);
    EXPECT_TRUE(names.ok());
    return *std::move(names);
  };
  const auto names = names_of(map);
  ASSERT_NE(names, nullptr);
  const auto bytes = to_bytes(map, format);
  const auto reader = open_tensors({memory_source(*Buffer::copy_of(std::string_view(*bytes))), nullptr}, &format);
  const auto infos = (*reader)->tensors();
  ASSERT_EQ(names->size(), infos.size());
  EXPECT_EQ(names->metadata(), (*reader)->metadata());
  for (size_t i = 0; i < infos.size(); ++i) {
    auto info = names->describe(i);
    ASSERT_TRUE(info.ok());
    EXPECT_TRUE(info->name == infos[i].name && info->dtype == infos[i].dtype && info->shape == infos[i].shape &&
                info->bytes == infos[i].bytes && info->offset == infos[i].offset && info->metadata == infos[i].metadata);
    EXPECT_TRUE(identical(*names->read(i), *(*reader)->read(i)));
  }
  // A dtype that metadata declares, and a tensor in parts, show only in the whole listing.
  TensorMap declared = map, parts = map;
  ASSERT_TRUE(declared.add("z", DenseTensor::of<std::complex<double>>(Shape{1}, {{1, 2}})).ok());
  EXPECT_EQ(names_of(declared), nullptr);
  ASSERT_TRUE(parts.add("z/indices", DenseTensor::of<int64_t>(Shape{1}, {1})).ok());
  EXPECT_EQ(names_of(parts), nullptr);
}

}  // namespace
}  // namespace ferry::safetensors
