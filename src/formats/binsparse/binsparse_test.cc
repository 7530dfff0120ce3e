#include <gtest/gtest.h>

#include <map>

#include "ferry/cast.h"
#include "ferry/format.h"
#include "ferry/sparse.h"
#include "formats/binsparse/assemble.h"
#include "formats/binsparse/spell.h"

namespace ferry::binsparse {
namespace {

// A container in memory.
struct Box {
  std::map<std::string, DenseTensor, std::less<>> tensors;
  mutable std::map<std::string, TensorInfo, std::less<>> infos;

  Arrays arrays() const {
    Arrays out;
    out.find = [this](std::string_view name) -> const TensorInfo* {
      const auto it = tensors.find(name);
      if (it == tensors.end()) return nullptr;
      TensorInfo& info = infos[std::string(name)];
      info.name = name;
      info.dtype = it->second.dtype();
      info.shape = it->second.shape();
      info.bytes = it->second.num_bytes();
      return &info;
    };
    out.read = [this](const TensorInfo& info) -> Result<DenseTensor> { return tensors.find(info.name)->second; };
    return out;
  }
};

Result<Tensor> read(std::string_view json, const Box& box, AssembleOptions options = {}) {
  FERRY_ASSIGN_OR_RETURN(const Descriptor descriptor, parse_descriptor(json));
  FERRY_ASSIGN_OR_RETURN(const TensorInfo info, describe(descriptor, box.arrays(), options));
  FERRY_ASSIGN_OR_RETURN(Tensor out, assemble(descriptor, box.arrays(), options));
  EXPECT_EQ(info.kind, kind_of(out));
  EXPECT_EQ(info.dtype, dtype_of(out));
  EXPECT_EQ(info.shape, shape_of(out));
  if (info.kind != TensorKind::dense) {
    EXPECT_EQ(info.nnz, nnz_of(out));
  }
  return out;
}

AssembleOptions with(Fill fill) {
  AssembleOptions options;
  options.fill = fill;
  return options;
}

std::string csr_json(std::string_view more = "", std::string_view values = "float32", std::string_view version = "0.1") {
  return concat(R"({"binsparse":{"version":")", version, R"(","format":"CSR","shape":[2,3],"number_of_stored_values":2,)", more,
                R"("data_types":{"pointers_to_1":"int64","indices_1":"int64","fill_value":")", values, R"(","values":")", values,
                R"("}}})");
}

Box csr_box() {
  Box box;
  box.tensors["pointers_to_1"] = DenseTensor::vector<int64_t>(std::array<int64_t, 3>{0, 1, 2});
  box.tensors["indices_1"] = DenseTensor::vector<int64_t>(std::array<int64_t, 2>{2, 0});
  box.tensors["values"] = DenseTensor::vector<float>(std::array<float, 2>{5, 7});
  return box;
}

TEST(Binsparse, CsrSharesItsArrays) {
  const Box box = csr_box();
  auto out = read(csr_json(), box);
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  const auto& x = std::get<SparseTensor>(*out);
  EXPECT_EQ(x.layout(), Layout::csr);
  EXPECT_EQ(x.indices().raw(), box.tensors.find("indices_1")->second.raw());
  EXPECT_EQ(x.values().raw(), box.tensors.find("values")->second.raw());
}

TEST(Binsparse, VersionsOfTheFirstSeriesAreRead) {
  for (const std::string_view version : {"0.1", "0.1.0", "0.1.7"})
    EXPECT_TRUE(read(csr_json("", "float32", version), csr_box()).ok()) << version;
  EXPECT_EQ(read(csr_json("", "float32", "1.0"), csr_box()).status().code(), StatusCode::unsupported);
  EXPECT_EQ(read(csr_json("", "float32", "2"), csr_box()).status().code(), StatusCode::unsupported);
}

TEST(Binsparse, EveryIndexDtypeIsTaken) {
  for (const DType dtype : {DType::uint8, DType::int8, DType::uint16, DType::int16, DType::uint32, DType::int32, DType::uint64}) {
    Box box = csr_box();
    auto index = cast(Tensor(box.tensors["indices_1"]), dtype);
    ASSERT_TRUE(index.ok());
    box.tensors["indices_1"] = std::get<DenseTensor>(*index);
    std::string json = csr_json();
    const size_t at = json.find(R"("indices_1":"int64")");
    json.replace(at, 19, concat(R"("indices_1":")", dtype_name(dtype), "\""));
    auto out = read(json, box);
    ASSERT_TRUE(out.ok()) << out.status().to_string();
    EXPECT_TRUE(identical(*to_dense(std::get<SparseTensor>(*out)), DenseTensor::of<float>({2, 3}, {0, 0, 5, 7, 0, 0})))
        << dtype_name(dtype);
  }
}

TEST(Binsparse, HugeUnsignedIndicesAreOutOfBounds) {
  Box box = csr_box();
  box.tensors["indices_1"] = DenseTensor::vector<uint64_t>(std::array<uint64_t, 2>{UINT64_MAX, 0});
  std::string json = csr_json();
  json.replace(json.find(R"("indices_1":"int64")"), 19, R"("indices_1":"uint64")");
  EXPECT_FALSE(read(json, box).ok());
}

TEST(Binsparse, FillIsRefusedDenseOrDropped) {
  Box box = csr_box();
  box.tensors["fill_value"] = DenseTensor::vector<float>(std::array<float, 1>{0.5f});
  const std::string json = csr_json(R"("fill":true,)");
  const auto descriptor = parse_descriptor(json);
  ASSERT_TRUE(descriptor.ok());
  auto info = describe(*descriptor, box.arrays(), {});
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(*info->metadata.find("fill_value"), "0.5");
  EXPECT_EQ(assemble(*descriptor, box.arrays(), {}).status().code(), StatusCode::unsupported);
  auto dense = read(json, box, with(Fill::dense));
  ASSERT_TRUE(dense.ok()) << dense.status().to_string();
  EXPECT_TRUE(identical(*dense, Tensor(DenseTensor::of<float>({2, 3}, {0.5, 0.5, 5, 7, 0.5, 0.5}))));
  auto dropped = read(json, box, with(Fill::drop));
  ASSERT_TRUE(dropped.ok());
  EXPECT_EQ(kind_of(*dropped), TensorKind::csr);
  for (const float zero : {0.0f, -0.0f}) {
    box.tensors["fill_value"] = DenseTensor::vector<float>(std::array<float, 1>{zero});
    EXPECT_TRUE(read(json, box).ok());
  }
}

TEST(Binsparse, DenseInDenseOfNothingCostsNothing) {
  Box box;
  box.tensors["values"] = DenseTensor::vector<float>(std::span<const float>());
  box.tensors["indices_2"] = DenseTensor::vector<int64_t>(std::span<const int64_t>());
  box.tensors["pointers_to_2"] = DenseTensor::vector<int64_t>(std::array<int64_t, 1>{0});
  const std::string dense = R"({"level_desc":"dense","rank":1,"level":)";
  auto out = read(
      concat(
          R"({"binsparse":{"version":"0.1","format":"custom","shape":[1099511627776,0,5],"number_of_stored_values":0,"custom":{"level":)",
          dense, dense, R"({"level_desc":"sparse","rank":1,"level":{"level_desc":"element"}}}}},)",
          R"("data_types":{"pointers_to_2":"int64","indices_2":"int64","values":"float32"}}})"),
      box);
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_EQ(nnz_of(*out), 0);
}

TEST(Binsparse, ValuesThatStandForManyAreHeldAgainstTheRatio) {
  Box box;
  box.tensors["values"] = DenseTensor::vector<float>(std::array<float, 1>{1});
  const auto json = [](int64_t n) {
    return concat(R"({"binsparse":{"version":"0.1","format":"DVEC","shape":[)", n, R"(],"number_of_stored_values":)", n,
                  R"(,"data_types":{"values":"iso[float32]"}}})");
  };
  EXPECT_TRUE(read(json(1000), box).ok());
  EXPECT_EQ(read(json(int64_t{1} << 33), box).status().code(), StatusCode::limit_exceeded);
  EXPECT_EQ(read(json(INT64_MAX), box).status().code(), StatusCode::limit_exceeded);
}

TEST(Binsparse, TypesNameAndComeBack) {
  for (const std::string_view name : {"uint8", "int64", "float32", "bint8", "complex[float64]", "iso[int8]", "iso[complex[float32]]"}) {
    auto type = element_type_from_name(name);
    ASSERT_TRUE(type.ok()) << name;
    EXPECT_EQ(element_type_name(*type), name);
  }
  for (const std::string_view name : {"", "iso", "iso[", "iso[]", "iso[iso[int8]]", "complex[iso[float32]]", "complex[bint8]", "bool"}) {
    EXPECT_FALSE(element_type_from_name(name).ok()) << name;
  }
}

Result<TensorMap> through(const TensorMap& map) {
  FERRY_ASSIGN_OR_RETURN(const std::string bytes, to_bytes(map, *find_format("binsparse")));
  EXPECT_EQ(bytes, *to_bytes(map, *find_format("binsparse")));
  auto source = memory_source(*Buffer::copy_of(std::string_view(bytes)));
  auto format = detect_format(*source);
  EXPECT_TRUE(format.ok() && (*format)->id == "binsparse");
  return read_tensors(std::move(source), *format);
}

TEST(Binsparse, OneTensorAndManyKeepNamesAndMetadata) {
  const auto pairs =
      *SparseTensor::coo({3, 4}, DenseTensor::of<int64_t>({2, 2}, {0, 1, 2, 0}), DenseTensor::of<float>({2}, {2, 5}), {true, true});
  Metadata unit;
  unit.set("unit", "m/s ä");
  TensorMap map;
  map.metadata.set("made by", "hand");
  ASSERT_TRUE(map.add("x y", pairs, unit).ok());
  for (int round = 0; round < 2; ++round) {
    auto back = through(map);
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    EXPECT_TRUE(identical(*back, map));
    EXPECT_EQ(back->metadata, map.metadata);
    EXPECT_EQ((*back)[0].metadata, unit);
    ASSERT_TRUE(round == 1 || map.add("deep/csr", *to_layout(pairs, Layout::csr)).ok());
    ASSERT_TRUE(round == 1 || map.add("", *to_layout(pairs, Layout::csc)).ok());
    ASSERT_TRUE(round == 1 || map.add("dense", DenseTensor::of<bool>({1, 2}, {true, false})).ok());
  }
}

TEST(Binsparse, EntriesAreSortedAndOnesStoredTwiceRefused) {
  TensorMap map;
  map.set("", *SparseTensor::coo({2, 2}, DenseTensor::of<int64_t>({2, 2}, {1, 0, 0, 1}), DenseTensor::of<float>({2}, {1, 2})));
  auto back = through(map);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_EQ(std::get<SparseTensor>((*back)[0].tensor).coordinates()[0], 0);
  map.set("", *SparseTensor::coo({2, 2}, DenseTensor::of<int64_t>({2, 2}, {1, 0, 1, 0}), DenseTensor::of<float>({2}, {1, 2})));
  const Status status = to_bytes(map, *find_format("binsparse")).status();
  EXPECT_EQ(status.code(), StatusCode::unsupported);
  EXPECT_NE(status.message().find("--coalesce"), std::string_view::npos);
}

TEST(Binsparse, ReadAsNpzItIsItsArrays) {
  TensorMap map;
  map.set("", DenseTensor::of<float>({2}, {1, 2}));
  const std::string bytes = *to_bytes(map, *find_format("binsparse"));
  auto arrays = read_tensors(memory_source(*Buffer::copy_of(std::string_view(bytes))), find_format("npz"));
  ASSERT_TRUE(arrays.ok()) << arrays.status().to_string();
  EXPECT_NE(arrays->find("binsparse"), nullptr);
  EXPECT_NE(arrays->find("values"), nullptr);
}

}  // namespace
}  // namespace ferry::binsparse
