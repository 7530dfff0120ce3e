#include <gtest/gtest.h>

#include "ferry/format.h"
#include "io/zip.h"

namespace ferry::npz {
namespace {

const Format& npz() { return *find_format("npz"); }

std::string save(const TensorMap& map, std::initializer_list<std::pair<std::string, std::string>> settings = {}) {
  WriteOptions options;
  for (const auto& [name, value] : settings) options.format.set(name, value);
  auto bytes = to_bytes(map, npz(), options);
  EXPECT_TRUE(bytes.ok()) << bytes.status().to_string();
  return bytes.ok() ? *bytes : "";
}

Result<TensorMap> load(const std::string& bytes, const ReadOptions& options = {}) {
  auto copy = Buffer::copy_of(std::string_view(bytes));
  return read_tensors(memory_source(*std::move(copy)), &npz(), options);
}

std::vector<std::string> members(const std::string& bytes) {
  auto copy = Buffer::copy_of(std::string_view(bytes));
  auto zip = ZipReader::open(memory_source(*std::move(copy)));
  std::vector<std::string> out;
  if (zip.ok()) {
    for (const ZipMember& member : zip->members()) out.push_back(member.name);
  }
  return out;
}

DenseTensor ints(std::initializer_list<int64_t> values) {
  return DenseTensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}

SparseTensor small_csr() {
  return *SparseTensor::csr(Shape{2, 3}, DenseTensor::of<int32_t>(Shape{3}, {0, 1, 2}), DenseTensor::of<int32_t>(Shape{2}, {1, 0}),
                            DenseTensor::of<float>(Shape{2}, {1, 2}));
}

TensorMap everything() {
  TensorMap map;
  Metadata metadata;
  metadata.set("unit", "m/s \"quoted\" \n ä");
  const auto add = [&](std::string name, Tensor tensor) { ASSERT_TRUE(map.add(std::move(name), std::move(tensor), metadata).ok()); };
  const auto indices = DenseTensor::of<int64_t>(Shape{2, 2}, {0, 1, 2, 0});
  add("coo", *SparseTensor::coo(Shape{3, 4}, indices, DenseTensor::of<float>(Shape{2}, {2, 5})));
  add("strings coo", *SparseTensor::coo(Shape{3, 4}, indices, DenseTensor::of_strings(Shape{2}, {std::string_view("a\0", 2), ""})));
  add("csr", small_csr());
  add("csc", *SparseTensor::csc(Shape{2, 2}, ints({0, 1, 2}), ints({1, 0}), DenseTensor::of<int8_t>(Shape{2}, {1, 2})));
  add("ragged/a", *RaggedTensor::make({ints({0, 2, 2}), ints({0, 1, 3})}, DenseTensor::of<int32_t>(Shape{3, 1}, {1, 2, 3})));
  add("strings", DenseTensor::of_strings(Shape{2, 1}, {"a", "bb"}));
  add("nul", DenseTensor::of_strings(Shape{1, 1}, {std::string_view("\0", 1)}));
  add("bf16", *DenseTensor::of<uint16_t>(Shape{2}, {1, 2}).bitcast(DType::bfloat16));
  add("float8", *DenseTensor::of<uint8_t>(Shape{2}, {1, 2}).bitcast(DType::float8_e4m3fn));
  add("", DenseTensor::scalar(1.0));
  map.metadata.set("made by", "hand");
  return map;
}

TEST(Npz, EverythingComesBackWithItsMetadata) {
  const TensorMap map = everything();
  for (const char* compress : {"false", "true"}) {
    auto back = load(save(map, {{"compress", compress}}));
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    EXPECT_TRUE(identical(*back, map));
    EXPECT_EQ(back->metadata, map.metadata);
    for (size_t i = 0; i < map.size(); ++i) EXPECT_EQ((*back)[i].metadata, map[i].metadata) << map[i].name;
  }
}

TEST(Npz, NarrowIndicesTakeHalfAndComeBack) {
  std::vector<int64_t> indices(200);
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<int64_t>(i);
  for (const int64_t rows : {int64_t{1000}, int64_t{1} << 40}) {
    TensorMap map;
    const auto coo = SparseTensor::coo(Shape{rows, 1000}, DenseTensor::of<int64_t>(Shape{100, 2}, std::span<const int64_t>(indices)),
                                       DenseTensor::vector<float>(std::vector<float>(100, 1)));
    ASSERT_TRUE(map.add("x", Tensor(*coo)).ok());
    const std::string wide = save(map), narrow = save(map, {{"narrow", "true"}});
    EXPECT_EQ(narrow.size() < wide.size(), rows == 1000);
    auto back = load(narrow);
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    EXPECT_TRUE(identical(*back, map));
  }
}

TEST(Npz, LongMetadataGoesIntoAMember) {
  TensorMap map;
  ASSERT_TRUE(map.add("x", DenseTensor()).ok());
  map.metadata.set("long", std::string(100000, 'x'));
  const std::string bytes = save(map);
  EXPECT_EQ(members(bytes), (std::vector<std::string>{"x.npy", "__metadata__.json"}));
  auto back = load(bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->metadata, map.metadata);
  EXPECT_EQ(back->size(), 1u);
}

TEST(Npz, MetadataThatIsNotTextIsRefused) {
  TensorMap map;
  map.metadata.set("x", "\xff");
  EXPECT_EQ(to_bytes(map, npz()).status().code(), StatusCode::unsupported);
}

TEST(Npz, OneUnnamedSparseTensorIsWrittenForSciPy) {
  TensorMap map;
  ASSERT_TRUE(map.add("", small_csr()).ok());
  const std::vector<std::string> scipy{"indices.npy", "indptr.npy", "format.npy", "shape.npy", "data.npy", "_is_array.npy"};
  EXPECT_EQ(members(save(map)), scipy);
  EXPECT_EQ(members(save(map, {{"scipy", "false"}})),
            (std::vector<std::string>{"indptr.npy", "indices.npy", "values.npy", "dense_shape.npy"}));
  EXPECT_TRUE(identical(*load(save(map)), map));
  EXPECT_TRUE(identical(*load(save(map, {{"scipy", "false"}})), map));
  for (const Shape& shape : {Shape{5}, Shape{5, 6}, Shape{5, 6, 7}, Shape{5, int64_t{1} << 40}}) {
    std::vector<int64_t> coordinates(2 * shape.rank(), 1);
    coordinates[0] = 4;
    auto x = SparseTensor::coo(
        shape, DenseTensor::of<int64_t>(Shape{2, static_cast<int64_t>(shape.rank())}, std::span<const int64_t>(coordinates)),
        DenseTensor::of<double>(Shape{2}, {1, 2}));
    TensorMap one;
    ASSERT_TRUE(one.add("", *x).ok());
    EXPECT_TRUE(identical(*load(save(one)), one)) << shape.to_string();
  }
}

TEST(Npz, SciPyOnDemandSaysWhyItCannot) {
  const auto write = [](std::string name, Tensor tensor) {
    TensorMap map;
    EXPECT_TRUE(map.add(std::move(name), std::move(tensor)).ok());
    WriteOptions options;
    options.format.set("scipy", "true");
    return to_bytes(map, npz(), options).status();
  };
  EXPECT_EQ(write("x", small_csr()).code(), StatusCode::unsupported);
  EXPECT_EQ(write("", *small_csr().with_values(*DenseTensor::of<uint16_t>(Shape{2}, {1, 2}).bitcast(DType::bfloat16))).message(),
            "SciPy has no sparse arrays of bfloat16; leave scipy unset, or cast the values");
}

TEST(Npz, StoredArraysOpenAsViews) {
  TensorMap map;
  ASSERT_TRUE(map.add("x", small_csr()).ok());
  ASSERT_TRUE(map.add("y", DenseTensor::of<double>(Shape{2}, {1, 2})).ok());
  auto copy = Buffer::copy_of(std::string_view(save(map)));
  const Buffer buffer = *copy;
  auto reader = npz().open(memory_source(buffer), {});
  ASSERT_TRUE(reader.ok());
  const auto infos = (*reader)->tensors();
  ASSERT_EQ(infos.size(), 2u);
  EXPECT_TRUE(infos[0].zero_copy);
  EXPECT_EQ(infos[0].kind, TensorKind::csr);
  EXPECT_EQ(infos[0].shape, (Shape{2, 3}));
  EXPECT_EQ(infos[0].nnz, 2);
  EXPECT_TRUE(infos[1].zero_copy);
  auto y = (*reader)->read(1);
  ASSERT_TRUE(y.ok());
  EXPECT_EQ(std::get<DenseTensor>(*y).raw(), buffer.data() + *infos[1].offset);
  auto x = (*reader)->read(0);
  const std::byte* values = reinterpret_cast<const std::byte*>(std::get<SparseTensor>(*x).values().raw());
  EXPECT_TRUE(values > buffer.data() && values < buffer.data() + buffer.size());
}

TEST(Npz, PartsStayApartWhereTheyShould) {
  TensorMap map;
  ASSERT_TRUE(map.add("x", small_csr()).ok());
  ReadOptions options;
  options.parts.enabled = false;
  auto plain = load(save(map), options);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->size(), 4u);
  EXPECT_NE(plain->find("x/indptr"), nullptr);
}

TEST(Npz, BadIndicesAreFoundOnReadAndVerify) {
  TensorMap map;
  ASSERT_TRUE(map.add("x/indices", DenseTensor::of<int64_t>(Shape{1, 2}, {5, 0})).ok());
  ASSERT_TRUE(map.add("x/values", DenseTensor::of<float>(Shape{1}, {1})).ok());
  ASSERT_TRUE(map.add("x/dense_shape", ints({3, 3})).ok());
  EXPECT_EQ(load(save(map)).status().message(), "tensor 'x': entry 0 is at [5, 0], outside shape [3, 3]");
}

TEST(Npz, DamagedBytesAreFoundByVerify) {
  TensorMap map;
  ASSERT_TRUE(map.add("y", DenseTensor::of<double>(Shape{2}, {1, 2})).ok());
  std::string bytes = save(map);
  bytes[64 + 128 + 1] = 1;
  auto copy = Buffer::copy_of(std::string_view(bytes));
  auto reader = npz().open(memory_source(*std::move(copy)), {});
  ASSERT_TRUE(reader.ok());
  const Status status = (*reader)->verify();
  EXPECT_EQ(status.code(), StatusCode::data_loss);
  EXPECT_NE(status.message().find("member 'y.npy' has CRC"), std::string::npos) << status.message();
}

TEST(Npz, OtherFilesInTheArchiveAreStrings) {
  std::string bytes;
  const auto sink = memory_sink(bytes);
  ZipWriter zip(*sink);
  TensorMap one;
  ASSERT_TRUE(one.add("", DenseTensor::scalar(1.0)).ok());
  const std::string array = *to_bytes(one, *find_format("npy"));
  ASSERT_TRUE(zip.add("x.npy", std::as_bytes(std::span(array))).ok());
  ASSERT_TRUE(zip.add("readme.txt", std::as_bytes(std::span(std::string_view("hello")))).ok());
  ASSERT_TRUE(zip.finish().ok());
  auto map = load(bytes);
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  EXPECT_TRUE(identical(map->find("readme.txt")->tensor, Tensor(DenseTensor::of_strings(Shape{}, {"hello"}))));
}

TEST(Npz, ATwiceTakenNameIsAnError) {
  TensorMap map;
  ASSERT_TRUE(map.add("x", small_csr()).ok());
  ASSERT_TRUE(map.add("x/values", DenseTensor()).ok());
  EXPECT_EQ(to_bytes(map, npz()).status().code(), StatusCode::invalid_argument);
}

TEST(Npz, EmptyMapsAreArchivesToo) {
  EXPECT_EQ(save({}).size(), 22u);
  EXPECT_EQ(load(save({}))->size(), 0u);
}

TEST(Npz, EveryPrefixIsAnErrorAndEveryFlipEnds) {
  TensorMap map;
  ASSERT_TRUE(map.add("", small_csr()).ok());
  for (const char* compress : {"false", "true"}) {
    const std::string whole = save(map, {{"compress", compress}});
    for (size_t size = 0; size < whole.size(); ++size) ASSERT_FALSE(load(whole.substr(0, size)).ok()) << size;
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      (void)load(flipped).ok();
    }
  }
}

Result<std::unique_ptr<TensorNames>> names_of(const std::string& bytes, const ReadOptions& options = {}) {
  auto copy = Buffer::copy_of(std::string_view(bytes));
  return open_names({memory_source(*std::move(copy)), nullptr}, npz(), options);
}

TensorMap many(std::string_view last = "last") {
  TensorMap map;
  for (int64_t i = 0; i < 40; ++i) EXPECT_TRUE(map.add(concat("layer", i, "/kernel"), ints({i, 2 * i})).ok());
  EXPECT_TRUE(map.add("float8", *DenseTensor::of<uint8_t>(Shape{2}, {1, 2}).bitcast(DType::float8_e4m3fn)).ok());
  EXPECT_TRUE(map.add(std::string(last), DenseTensor::scalar(1.0)).ok());
  map.metadata.set("made by", "hand");
  return map;
}

TEST(NpzNames, TellWhatTheListingTells) {
  const std::string bytes = save(many());
  auto names = names_of(bytes);
  ASSERT_TRUE(names.ok() && *names != nullptr);
  const auto reader = open_tensors({memory_source(*Buffer::copy_of(std::string_view(bytes))), nullptr}, &npz());
  const auto infos = (*reader)->tensors();
  ASSERT_EQ((*names)->size(), infos.size());
  EXPECT_EQ((*names)->metadata(), (*reader)->metadata());
  EXPECT_EQ((*names)->find("layer3/kernel.npy"), std::nullopt);
  for (size_t i = 0; i < infos.size(); ++i) {
    EXPECT_EQ((*names)->name(i), infos[i].name);
    EXPECT_EQ((*names)->find(infos[i].name), i);
    auto info = (*names)->describe(i);
    ASSERT_TRUE(info.ok()) << info.status().to_string();
    EXPECT_TRUE(info->name == infos[i].name && info->dtype == infos[i].dtype && info->shape == infos[i].shape &&
                info->bytes == infos[i].bytes && info->offset == infos[i].offset && info->metadata == infos[i].metadata);
    EXPECT_TRUE(identical(*(*names)->read(i), *(*reader)->read(i)));
  }
}

TEST(NpzNames, AreOfferedOnlyWhereTheyTellTheTensors) {
  EXPECT_EQ(*names_of(save(everything())), nullptr);  // few, and some in parts
  EXPECT_EQ(*names_of(save(many("x/indices"))), nullptr);
  ReadOptions options;
  options.parts.explicit_groups.push_back({"x", {"layer0/kernel", "layer1/kernel"}});
  EXPECT_EQ(*names_of(save(many()), options), nullptr);
  TensorMap own = many();
  own[3].metadata.set("unit", "m");
  EXPECT_EQ(*names_of(save(own)), nullptr);
}

TEST(NpzNames, DamageInOneMemberIsItsOwn) {
  std::string bytes = save(many());
  const size_t at = bytes.find("NUMPY");
  bytes[at] = 'X';
  auto names = names_of(bytes);
  ASSERT_TRUE(names.ok() && *names != nullptr);
  EXPECT_EQ((*names)->read(0).status().code(), StatusCode::data_loss);
  EXPECT_NE((*names)->describe(0).status().message().find("member 'layer0/kernel.npy'"), std::string::npos);
  EXPECT_TRUE((*names)->read(1).ok());
  EXPECT_FALSE(load(bytes).ok());
}

}  // namespace
}  // namespace ferry::npz
