// Checkpoints written by hand, opcode by opcode. What PyTorch writes is among the goldens; tests/oracle compares values with it.
#include <gtest/gtest.h>

#include <cstring>

#include "ferry/format.h"
#include "ferry/sparse.h"
#include "formats/pt/elements.h"
#include "formats/pt/hybrid.h"
#include "io/zip.h"

namespace ferry::pt {
extern const Format kFormat;
namespace {

using namespace std::string_literals;

// ---- A small language for pickles

std::string text(std::string_view s) {
  std::string out(5, 'X');
  const auto size = static_cast<uint32_t>(s.size());
  std::memcpy(out.data() + 1, &size, 4);
  out += s;
  return out;
}
std::string integer(int64_t value) { return concat("L", value, "L\n"); }
std::string global(std::string_view module, std::string_view name) { return concat("c", module, "\n", name, "\n"); }
std::string tuple(std::initializer_list<std::string> items) {
  std::string out = "(";
  for (const auto& item : items) out += item;
  return out + "t";
}
std::string ints(std::initializer_list<int64_t> values) {
  std::string out = "(";
  for (const int64_t value : values) out += integer(value);
  return out + "t";
}
std::string call(std::string_view module, std::string_view name, std::string_view args) { return concat(global(module, name), args, "R"); }
std::string dict(std::initializer_list<std::pair<std::string, std::string>> items) {
  std::string out = "}(";
  for (const auto& [key, value] : items) out += text(key) + value;
  return out + "u";
}
std::string storage(std::string_view type, std::string_view key, int64_t count) {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), integer(count)}) + "Q";
}
std::string tensor(const std::string& held, int64_t offset, std::initializer_list<int64_t> size, std::initializer_list<int64_t> strides) {
  return call("torch._utils", "_rebuild_tensor_v2",
              tuple({held, integer(offset), ints(size), ints(strides), "\x89", call("collections", "OrderedDict", ")")}));
}

template <class T>
std::string raw(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

struct Member {
  std::string name, bytes;
};
std::string archive(std::string_view pickle, const std::vector<Member>& members) {
  std::string out;
  const auto sink = memory_sink(out);
  ZipWriter zip(*sink);
  const std::string program = concat("\x80\x02", pickle, ".");
  FERRY_ASSERT(zip.add("m/data.pkl", std::as_bytes(std::span(program))).ok());
  for (const Member& member : members) FERRY_ASSERT(zip.add("m/" + member.name, std::as_bytes(std::span(member.bytes))).ok());
  FERRY_ASSERT(zip.finish().ok());
  return out;
}

Result<TensorMap> load_bytes(const std::string& bytes, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(Buffer data, Buffer::copy_of(std::string_view(bytes)));
  return read_tensors(memory_source(std::move(data)), &kFormat, options);
}
Result<TensorMap> checkpoint(std::string_view pickle, const std::vector<Member>& members, const ReadOptions& options = {}) {
  return load_bytes(archive(pickle, members), options);
}

template <class T>
void expect_dense(const TensorMap& map, std::string_view name, Shape shape, std::initializer_list<T> values) {
  const auto* entry = map.find(name);
  ASSERT_NE(entry, nullptr) << name;
  EXPECT_TRUE(identical(entry->tensor, DenseTensor::of<T>(std::move(shape), values))) << name;
}

const std::vector<Member> kFloats = {{"data/0", raw<float>({0, 1, 2, 3, 4, 5})}};
std::string floats() { return storage("FloatStorage", "0", 6); }

TEST(Pt, ReadsViewsOfOneStorage) {
  const auto map = checkpoint(dict({{"whole", tensor(floats(), 0, {2, 3}, {3, 1})},
                                    {"turned", tensor(floats(), 0, {3, 2}, {1, 3})},
                                    {"part", tensor(floats(), 2, {2}, {1})},
                                    {"steps", tensor(floats(), 1, {2}, {3})},
                                    {"wide", tensor(floats(), 4, {2, 2}, {0, 0})},
                                    {"scalar", tensor(floats(), 5, {}, {})},
                                    {"empty", tensor(floats(), 0, {0, 3}, {3, 1})},
                                    {"odd stride", tensor(floats(), 0, {1, 2}, {99, 1})}}),
                              kFloats);
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  expect_dense<float>(*map, "whole", {2, 3}, {0, 1, 2, 3, 4, 5});
  expect_dense<float>(*map, "turned", {3, 2}, {0, 3, 1, 4, 2, 5});
  expect_dense<float>(*map, "part", {2}, {2, 3});
  expect_dense<float>(*map, "steps", {2}, {1, 4});
  expect_dense<float>(*map, "wide", {2, 2}, {4, 4, 4, 4});
  expect_dense<float>(*map, "scalar", {}, {5});
  expect_dense<float>(*map, "empty", {0, 3}, {});
  expect_dense<float>(*map, "odd stride", {1, 2}, {0, 1});
  // Contiguous ones share the storage, and so one another's bytes.
  const auto& whole = std::get<DenseTensor>(map->find("whole")->tensor);
  const auto& part = std::get<DenseTensor>(map->find("part")->tensor);
  EXPECT_EQ(static_cast<const float*>(whole.raw()) + 2, part.raw());
}

TEST(Pt, NamesAreThePathsToTensors) {
  const std::string t = tensor(floats(), 0, {1}, {1});
  const auto map = checkpoint(dict({{"a.b", t}, {"model", dict({{"w", t}})}, {"list", concat("](", t, t, "e")}}), kFloats);
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  ASSERT_EQ(map->size(), 4u);
  EXPECT_EQ((*map)[0].name, "a.b");
  EXPECT_EQ((*map)[1].name, "model/w");
  EXPECT_EQ((*map)[2].name, "list/0");
  EXPECT_EQ((*map)[3].name, "list/1");
}

TEST(Pt, PlainValuesBecomeMetadata) {
  const auto map = checkpoint(dict({{"epoch", "K\3"},
                                    {"lr", "F0.5\n"},
                                    {"on", "\x88"},
                                    {"tag", text("x \"y\"")},
                                    {"no", "N"},
                                    {"betas", "(F0.9\nK\1t"},
                                    {"deep", dict({{"names", concat("](", text("a\"b"), "e")}})}}),
                              {});
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  EXPECT_TRUE(map->empty());
  EXPECT_EQ(*map->metadata.find("epoch"), "3");
  EXPECT_EQ(*map->metadata.find("lr"), "0.5");
  EXPECT_EQ(*map->metadata.find("on"), "true");
  EXPECT_EQ(*map->metadata.find("tag"), "x \"y\"");
  EXPECT_EQ(*map->metadata.find("no"), "null");
  EXPECT_EQ(*map->metadata.find("betas"), "[0.9, 1]");
  EXPECT_EQ(*map->metadata.find("deep/names"), "[\"a\\\"b\"]");
}

TEST(Pt, WhatHoldsItselfIsListedOnce) {
  const auto map = checkpoint("}q\1U\4selfh\1sU\1xK\1s", {});
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  EXPECT_EQ(*map->metadata.find("self"), "...");
  EXPECT_EQ(*map->metadata.find("x"), "1");
}

TEST(Pt, BigEndianIsSwapped) {
  const auto map = checkpoint(dict({{"f", tensor(storage("FloatStorage", "0", 1), 0, {1}, {1})},
                                    {"c", tensor(storage("ComplexFloatStorage", "1", 1), 0, {1}, {1})}}),
                              {{"byteorder", "big"}, {"data/0", "\x3f\x80\0\0"s}, {"data/1", "\x3f\x80\0\0\xc0\0\0\0"s}});
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  expect_dense<float>(*map, "f", {1}, {1});
  expect_dense<std::complex<float>>(*map, "c", {1}, {{1, -2}});
}

TEST(Pt, UnknownClassesAreRefusedOrOpenedForTheirFields) {
  const std::string module = concat(
      global("mine", "Net"), ")\x81",
      dict({{"training", "\x89"},
            {"_hooks", dict({})},
            {"_parameters", dict({{"w", tensor(floats(), 0, {2}, {1})}})},
            {"_modules", dict({{"sub", concat(global("mine", "Net"), ")\x81",
                                              dict({{"_buffers", dict({{"b", tensor(floats(), 2, {1}, {1})}, {"none", "N"}})}}), "b")}})}}),
      "b");
  const auto refused = checkpoint(module, kFloats);
  EXPECT_EQ(refused.status().code(), StatusCode::unsupported);
  EXPECT_NE(refused.status().message().find("'mine.Net'"), std::string_view::npos);
  ReadOptions options;
  options.format.set("objects", "opaque");
  const auto map = checkpoint(module, kFloats, options);
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  ASSERT_EQ(map->size(), 2u);
  expect_dense<float>(*map, "w", {2}, {0, 1});
  expect_dense<float>(*map, "sub.b", {1}, {2});
  const auto hostile = checkpoint(call("os", "system", tuple({text("echo")})), {}, options);
  EXPECT_NE(hostile.status().message().find("'os.system'"), std::string_view::npos) << hostile.status().to_string();
}

TEST(Pt, ViewsThatLeaveTheirStorageAreRefused) {
  for (const auto& [offset, size, stride] : {std::tuple{0, 7, 1}, {6, 1, 1}, {0, 2, 6}, {-1, 1, 1}, {0, 2, -1}}) {
    const auto map = checkpoint(tensor(floats(), offset, {size}, {stride}), kFloats);
    EXPECT_EQ(map.status().code(), StatusCode::data_loss) << offset << " " << size << " " << stride;
  }
  EXPECT_EQ(checkpoint(tensor(floats(), 0, {int64_t{1} << 62, 8}, {0, 0}), kFloats).status().code(), StatusCode::data_loss);
}

TEST(Pt, SmallFilesDoNotBecomeLargeTensors) {
  EXPECT_EQ(checkpoint(tensor(floats(), 0, {int64_t{1} << 34}, {0}), kFloats).status().code(), StatusCode::limit_exceeded);
  // Many of them, each below the limit, are one large one.
  std::string many = concat(tensor(floats(), 0, {int64_t{1} << 27}, {0}),
                            "q\1"
                            "0](");
  for (int i = 0; i < 100; ++i) many += "h\1";
  EXPECT_EQ(checkpoint(many + "e", kFloats).status().code(), StatusCode::limit_exceeded);
}

TEST(Pt, SharedListsAreNotUnfolded) {
  std::string laughs = "(]q\1";
  laughs.push_back('(');
  laughs += tensor(floats(), 0, {1}, {1}) + "e";
  for (char level = 2; level < 90; ++level) {
    laughs += "](";
    for (int i = 0; i < 20; ++i) laughs += {'h', static_cast<char>(level - 1)};
    laughs += {'e', 'q', level};
  }
  const auto map = checkpoint(laughs + "t", kFloats);
  EXPECT_EQ(map.status().code(), StatusCode::limit_exceeded) << map.status().to_string();
}

TEST(PtElements, Widths) {
  const auto raw_of = [](std::initializer_list<uint8_t> bytes) {
    return DenseTensor::of<uint8_t>({static_cast<int64_t>(bytes.size())}, bytes);
  };
  const auto pairs = from_raw(raw_of({0x21, 0x43}), *element_type("float4_e2m1fn_x2"), {4}, false);
  ASSERT_TRUE(pairs.ok());
  EXPECT_EQ(pairs->dtype(), DType::float4_e2m1fn);
  EXPECT_EQ(pairs->values<uint8_t>()[0], 1);
  EXPECT_EQ(pairs->values<uint8_t>()[3], 4);
  EXPECT_TRUE(identical(*unpacked(raw_of({0b11100100}).buffer().bytes(), 2, {4}), raw_of({0, 1, 2, 3})));
  EXPECT_FALSE(from_raw(raw_of({2}), *element_type("bool"), {1}, false).ok());
}

TEST(PtHybrid, BlocksBecomeEntries) {
  const auto x = from_blocks("sparse_bsr", {2, 4}, DenseTensor::of<int64_t>({2}, {0, 1}), DenseTensor::of<int64_t>({1}, {1}),
                             DenseTensor::of<float>({1, 2, 2}, {1, 2, 3, 4}));
  ASSERT_TRUE(x.ok()) << x.status().to_string();
  EXPECT_TRUE(identical(*to_dense(*x), DenseTensor::of<float>({2, 4}, {0, 0, 1, 2, 0, 0, 3, 4})));
  const auto y = from_blocks("sparse_bsc", {2, 4}, DenseTensor::of<int64_t>({3}, {0, 0, 1}), DenseTensor::of<int64_t>({1}, {0}),
                             DenseTensor::of<float>({1, 2, 2}, {1, 2, 3, 4}));
  ASSERT_TRUE(y.ok()) << y.status().to_string();
  EXPECT_TRUE(identical(*to_dense(*y), DenseTensor::of<float>({2, 4}, {0, 0, 1, 2, 0, 0, 3, 4})));
}

TEST(PtHybrid, ComponentsInAnyOrderBecomeRows) {
  const auto values = DenseTensor::of<int32_t>({6}, {0, 1, 2, 3, 4, 5});
  const auto sizes = DenseTensor::of<int64_t>({2, 2}, {2, 1, 2, 2}), strides = DenseTensor::of<int64_t>({2, 2}, {1, 1, 1, 2});
  const auto x = from_components(values, sizes, strides, DenseTensor::of<int64_t>({2}, {4, 0}), {});
  ASSERT_TRUE(x.ok()) << x.status().to_string();
  const auto& ragged = std::get<RaggedTensor>(*x);
  EXPECT_EQ(ragged.ragged_rank(), 2u);
  EXPECT_TRUE(identical(Tensor(ragged.flat_values()), Tensor(DenseTensor::of<int32_t>({6}, {4, 5, 0, 2, 1, 3}))));
  EXPECT_FALSE(from_components(values, sizes, strides, DenseTensor::of<int64_t>({2}, {6, 0}), {}).ok());
}

TEST(PtHybrid, AxesOfWhatIsEmptyMayBeOfAnyLength) {
  constexpr int64_t kHuge = int64_t{1} << 40;
  const auto sizes = DenseTensor::of<int64_t>({1, 3}, {0, kHuge, kHuge}), strides = DenseTensor::of<int64_t>({1, 3}, {1, kHuge, 1});
  const auto x = from_components(DenseTensor::of<float>({0}, {}), sizes, strides, DenseTensor::of<int64_t>({1}, {0}), {});
  ASSERT_TRUE(x.ok()) << x.status().to_string();
  EXPECT_EQ(shape_of(*x), (Shape{1, -1, kHuge, kHuge}));
  auto none = DenseTensor::make(DType::float32, {0, kHuge, kHuge}, Buffer());
  ASSERT_TRUE(none.ok());
  const auto y = from_hybrid({3, kHuge, kHuge}, DenseTensor::of<int64_t>({0, 1}, {}), *none);
  ASSERT_TRUE(y.ok()) << y.status().to_string();
  EXPECT_EQ(y->nnz(), 0);
}

}  // namespace
}  // namespace ferry::pt
