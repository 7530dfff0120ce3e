#include "ferry/parts.h"

#include <gtest/gtest.h>

#include <chrono>

namespace ferry {
namespace {

ArrayInfo array(std::string name, DType dtype, Shape shape) { return {std::move(name), dtype, std::move(shape)}; }

// "x:coo(0,1,2) …; plain 3 4", groups in order.
std::string found(const std::vector<ArrayInfo>& arrays, const PartsOptions& options = {}, const Metadata* metadata = nullptr) {
  auto grouping = find_parts(arrays, options, metadata);
  if (!grouping.ok()) return grouping.status().to_string();
  std::string out;
  for (const PartGroup& group : grouping->groups) {
    out += concat(group.name.empty() ? "(root)" : group.name, ":", kind_name(group.kind), "(");
    for (const Part& part : group.parts) out += concat(part.array, ",");
    out.back() = ')';
    out += ' ';
  }
  out += "plain";
  for (const size_t i : grouping->plain) out += concat(" ", i);
  return out;
}

std::vector<ArrayInfo> coo(const std::string& prefix, std::string_view shape_word = "dense_shape", std::string_view value_word = "values",
                           int64_t nnz = 5) {
  return {array(prefix + "indices", DType::int64, {nnz, 2}), array(concat(prefix, value_word), DType::float32, {nnz}),
          array(concat(prefix, shape_word), DType::int64, {2})};
}

TEST(FindParts, EverySeparatorAndSuffixOfCoo) {
  for (const std::string prefix : {"x/", "x.", "x_", "x:", "x__"}) {
    for (const std::string_view shape : {"dense_shape", "shape"}) {
      for (const std::string_view values : {"values", "data"})
        EXPECT_EQ(found(coo(prefix, shape, values)), "x:coo(0,1,2) plain") << prefix << shape;
    }
  }
  EXPECT_EQ(found(coo("")), "(root):coo(0,1,2) plain");
  EXPECT_EQ(found(coo("a/b/c.d/")), "a/b/c.d:coo(0,1,2) plain");
}

TEST(FindParts, PerAxisCoordinates) {
  const auto value = array("x/data", DType::float64, {4});
  EXPECT_EQ(found({array("x/row", DType::int32, {4}), array("x/col", DType::int32, {4}), value, array("x/shape", DType::int64, {2})}),
            "x:coo(0,1,2,3) plain");
  EXPECT_EQ(found({array("x/coords", DType::int64, {3, 4}), value, array("x/shape", DType::int64, {3})}), "x:coo(0,1,2) plain");
  EXPECT_EQ(
      found({array("x/coords_0", DType::int64, {4}), array("x/coords_1", DType::int64, {4}), value, array("x/shape", DType::int64, {2})}),
      "x:coo(0,1,2,3) plain");
  EXPECT_EQ(
      found({array("x/coords_0", DType::int64, {4}), array("x/coords_2", DType::int64, {4}), value, array("x/shape", DType::int64, {2})}),
      "plain 0 1 2 3");
}

TEST(FindParts, WhereAnythingDisagreesTheArraysStay) {
  auto arrays = coo("x/");
  arrays[1].shape = Shape{4};
  EXPECT_EQ(found(arrays), "plain 0 1 2");
  arrays = coo("x/");
  arrays[2].shape = Shape{3};
  EXPECT_EQ(found(arrays), "plain 0 1 2");
  arrays = coo("x/");
  arrays[0].dtype = DType::float32;
  EXPECT_EQ(found(arrays), "plain 0 1 2");
  arrays = coo("x/");
  arrays[1].shape = Shape{5, 1};
  EXPECT_EQ(found(arrays), "plain 0 1 2");
  arrays = coo("x/");
  arrays[1].name = "x.values";
  EXPECT_EQ(found(arrays), "plain 0 1 2");
  EXPECT_EQ(found({array("/indices", DType::int64, {1, 1}), array("/values", DType::int8, {1}), array("/dense_shape", DType::int64, {1})}),
            "plain 0 1 2");
}

TEST(FindParts, CompressedTakesItsLayoutFromMetadata) {
  const std::vector<ArrayInfo> arrays{array("x/indptr", DType::int32, {5}), array("x/indices", DType::int32, {7}),
                                      array("x/values", DType::float32, {7}), array("x/dense_shape", DType::int64, {2})};
  EXPECT_EQ(found(arrays), "x:csr(0,1,2,3) plain");
  Metadata metadata;
  metadata.set("x/layout", "csc");
  EXPECT_EQ(found(arrays, {}, &metadata), "x:csc(0,1,2,3) plain");
}

TEST(FindParts, RaggedInEachSpelling) {
  const auto values = array("x/values", DType::int32, {9, 2});
  EXPECT_EQ(found({values, array("x/row_splits", DType::int64, {4})}), "x:ragged(0,1) plain");
  EXPECT_EQ(found({values, array("x/row_splits_0", DType::int64, {4}), array("x/row_splits_1", DType::int64, {6})}),
            "x:ragged(0,1,2) plain");
  EXPECT_EQ(found({array("x/flat_values", DType::int32, {9}), array("x/nested_row_splits_0", DType::int64, {4}),
                   array("x/nested_row_splits_1", DType::int64, {6})}),
            "x:ragged(0,1,2) plain");
  EXPECT_EQ(found({array("x_flat_values", DType::int32, {9}), array("x_nested_row_splits_0", DType::int64, {4})}), "x:ragged(0,1) plain");
  EXPECT_EQ(found({values, array("x/offsets", DType::int64, {4})}), "x:ragged(0,1) plain");
  EXPECT_EQ(found({values, array("x/row_lengths", DType::int64, {4})}), "x:ragged(0,1) plain");
  // A level is missing, or of another dtype, or empty.
  EXPECT_EQ(found({values, array("x/row_splits_1", DType::int64, {4})}), "plain 0 1");
  EXPECT_EQ(found({values, array("x/row_splits_0", DType::int64, {4}), array("x/row_splits_1", DType::int32, {6})}), "plain 0 1 2");
  EXPECT_EQ(found({values, array("x/row_splits", DType::int64, {0})}), "plain 0 1");
}

TEST(FindParts, StringsAloneAndAsValues) {
  EXPECT_EQ(found({array("x/bytes", DType::uint8, {10}), array("x/offsets", DType::int64, {4})}), "x:dense(0,1) plain");
  EXPECT_EQ(found({array("x/bytes", DType::uint8, {10}), array("x/offsets", DType::int64, {4}), array("x/dense_shape", DType::int64, {2})}),
            "x:dense(0,1,2) plain");
  EXPECT_EQ(found({array("x/indices", DType::int64, {3, 2}), array("x/values/bytes", DType::uint8, {10}),
                   array("x/values/offsets", DType::int64, {4}), array("x/dense_shape", DType::int64, {2})}),
            "x:coo(0,1,2,3) plain");
  EXPECT_EQ(found({array("x/values/bytes", DType::uint8, {10}), array("x/values/offsets", DType::int64, {4}),
                   array("x/row_splits", DType::int64, {2})}),
            "x:ragged(0,1,2) plain");
  EXPECT_EQ(found({array("x/bytes", DType::int8, {10}), array("x/offsets", DType::int64, {4})}), "plain 0 1");
}

TEST(FindParts, TheLongerWordIsReadFirst) {
  // x's dense_shape could be x_dense's shape.
  auto arrays = coo("x_");
  for (auto& extra : coo("x_dense_", "shape")) {
    if (extra.name != "x_dense_shape") arrays.push_back(extra);
  }
  EXPECT_EQ(found(arrays), "x:coo(0,1,2) plain 3 4");
  EXPECT_EQ(found(coo("x_dense_", "shape")), "x_dense:coo(0,1,2) plain");
}

TEST(FindParts, OurOwnWordsComeBeforeOthers) {
  auto arrays = coo("x/");
  arrays.push_back(array("x/data", DType::float32, {5}));
  arrays.push_back(array("x/shape", DType::int64, {2}));
  arrays.push_back(array("x/indptr", DType::int64, {3}));
  EXPECT_EQ(found(arrays), "x:coo(0,1,2) plain 3 4 5");
}

TEST(FindParts, ATakenNameStaysPlain) {
  auto arrays = coo("x/");
  arrays.push_back(array("x", DType::float32, {5}));
  EXPECT_EQ(found(arrays), "plain 0 1 2 3");
  arrays = coo("x/");
  for (auto& extra : coo("x.")) arrays.push_back(extra);
  EXPECT_EQ(found(arrays), "x:coo(0,1,2) plain 3 4 5");
}

TEST(FindParts, SciPyMembersAtTopLevel) {
  const auto format = array("format", DType::string, {}), shape = array("shape", DType::int64, {2});
  const auto flag = array("_is_array", DType::bool_, {});
  EXPECT_EQ(found({array("indices", DType::int32, {6}), array("indptr", DType::int32, {5}), format, shape,
                   array("data", DType::float64, {6}), flag}),
            "(root):csr(1,0,4,3,2,5) plain");
  EXPECT_EQ(found({array("offsets", DType::int32, {6}), format, shape, array("data", DType::float64, {6, 5})}),
            "(root):coo(0,3,2,1) plain");
  EXPECT_EQ(found({array("indices", DType::int32, {6}), array("indptr", DType::int32, {5}), format, shape,
                   array("data", DType::float64, {6, 1, 1})}),
            "(root):csr(1,0,4,3,2) plain");
  const std::string wrong =
      found({array("indices", DType::int32, {6}), array("indptr", DType::int32, {5}), format, shape, array("data", DType::float64, {7})});
  EXPECT_NE(wrong.find("data float64[7], shape int64[2], indptr int32[5], indices int32[6]"), std::string::npos) << wrong;
}

TEST(FindParts, ExplicitGroupsAndNone) {
  const std::vector<ArrayInfo> arrays{array("a", DType::int64, {5, 2}), array("b", DType::float32, {5}), array("c", DType::int64, {2}),
                                      array("y/values", DType::float32, {3}), array("y/row_splits", DType::int64, {2})};
  PartsOptions options;
  options.explicit_groups = {{"x", {"a", "b", "c"}}};
  EXPECT_EQ(found(arrays, options), "x:coo(0,1,2) y:ragged(3,4) plain");
  options.enabled = false;
  EXPECT_EQ(found(arrays, options), "x:coo(0,1,2) plain 3 4");
  options.explicit_groups = {{"x", {"b", "c"}}};
  EXPECT_EQ(found(arrays, options), "x:ragged(1,2) plain 0 3 4");
  options.explicit_groups = {{"x", {"a", "nope"}}};
  EXPECT_EQ(find_parts(arrays, options).status().code(), StatusCode::not_found);
  options.explicit_groups = {{"x", {"b", "a", "c"}}};
  EXPECT_NE(found(arrays, options).find("make no tensor"), std::string::npos);
  options.explicit_groups = {{"y/values", {"a", "b", "c"}}};
  EXPECT_NE(found(arrays, options).find("another array"), std::string::npos);
}

TEST(FindParts, ManyArraysAreNotQuadratic) {
  std::vector<ArrayInfo> arrays;
  for (int i = 0; i < 60000; ++i) {
    for (auto& part : coo(concat("layer_", i, "/x/"))) arrays.push_back(std::move(part));
  }
  // One bucket with all the words it can have, and one name with very many separators.
  for (int i = 0; i < 1000; ++i) arrays.push_back(array(concat("z/row_splits_", i), DType::int64, {2}));
  arrays.push_back(array(std::string(60000, '_') + "values", DType::int64, {2}));
  const auto start = std::chrono::steady_clock::now();
  auto grouping = find_parts(arrays, {});
  ASSERT_TRUE(grouping.ok());
  EXPECT_EQ(grouping->groups.size(), 60000u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
}

// ---- Round trips

DenseTensor ints(std::initializer_list<int64_t> values) {
  return DenseTensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}

TensorMap everything() {
  TensorMap map;
  const auto add = [&](std::string name, Tensor tensor, Metadata metadata = {}) {
    ASSERT_TRUE(map.add(std::move(name), std::move(tensor), std::move(metadata)).ok());
  };
  Metadata metadata;
  metadata.set("unit", "m/s");
  const auto indices = DenseTensor::of<int64_t>(Shape{2, 2}, {0, 1, 2, 0});
  add("coo", *SparseTensor::coo(Shape{3, 4}, indices, DenseTensor::of<float>(Shape{2}, {2, 5})), metadata);
  add("scalar coo", *SparseTensor::coo(Shape{}, DenseTensor::of<int64_t>(Shape{1, 0}, {}), DenseTensor::of<float>(Shape{1}, {2})));
  add("strings coo", *SparseTensor::coo(Shape{3, 4}, indices, DenseTensor::of_strings(Shape{2}, {std::string_view("a\0", 2), ""})));
  add("csr", *SparseTensor::csr(Shape{2, 2}, ints({0, 1, 2}), ints({1, 0}), DenseTensor::of<int8_t>(Shape{2}, {1, 2})), metadata);
  add("csc", *SparseTensor::csc(Shape{2, 2}, ints({0, 1, 2}), ints({1, 0}), DenseTensor::of<int8_t>(Shape{2}, {1, 2})));
  add("empty csr", *SparseTensor::csr(Shape{0, 9}, ints({0}), ints({}), DenseTensor::of<double>(Shape{0}, {})));
  add("ragged", *RaggedTensor::make({ints({0, 2, 2}), ints({0, 1, 3})}, DenseTensor::of<int32_t>(Shape{3, 1}, {1, 2, 3})));
  add("ragged strings", *RaggedTensor::make({ints({0, 2})}, DenseTensor::of_strings(Shape{2, 1}, {"a", "b"})), metadata);
  add("strings", DenseTensor::of_strings(Shape{2, 1}, {"a", "b"}));
  add("string", DenseTensor::of_strings(Shape{}, {"a"}));
  add("dense", DenseTensor::of<float>(Shape{2}, {1, 2}), metadata);
  map.metadata.set("made by", "hand");
  return map;
}

TEST(Parts, UngroupThenGroupIsTheIdentity) {
  const TensorMap map = everything();
  for (const bool split : {false, true}) {
    auto plain = ungroup_parts(map, split);
    ASSERT_TRUE(plain.ok()) << plain.status().to_string();
    for (const auto& entry : *plain) EXPECT_EQ(kind_of(entry.tensor), TensorKind::dense);
    auto back = group_parts(*std::move(plain));
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    EXPECT_TRUE(identical(*back, map));
    EXPECT_EQ(back->metadata, map.metadata);
    for (size_t i = 0; i < map.size(); ++i) EXPECT_EQ((*back)[i].metadata, map[i].metadata) << map[i].name;
  }
}

TEST(Parts, ASliceOfStringsIsSpeltFromItsFirstByte) {
  const auto slice = DenseTensor::of_strings(Shape{3}, {"abc", "de", "f"}).slice_rows(1, 3);
  TensorMap map;
  ASSERT_TRUE(map.add("x", *slice).ok());
  auto back = group_parts(*ungroup_parts(map, true));
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(identical(*back, map));
}

TEST(Parts, APartThatIsSomebodysNameIsAnError) {
  TensorMap map = everything();
  ASSERT_TRUE(map.add("coo/values", DenseTensor()).ok());
  EXPECT_EQ(ungroup_parts(map).status().message(), "two tensors are named 'coo/values'");
}

Result<Tensor> grouped(std::initializer_list<std::pair<std::string, DenseTensor>> arrays) {
  TensorMap map;
  for (const auto& [name, tensor] : arrays) FERRY_RETURN_IF_ERROR(map.add(name, tensor));
  FERRY_ASSIGN_OR_RETURN(const TensorMap out, group_parts(std::move(map)));
  EXPECT_EQ(out.size(), 1u);
  return out[0].tensor;
}

TEST(Parts, WithoutMetadataTheFittingLayoutIsTaken) {
  const auto values = DenseTensor::of<float>(Shape{2}, {1, 2});
  EXPECT_EQ(kind_of(*grouped(
                {{"x/indptr", ints({0, 1, 2, 2})}, {"x/indices", ints({0, 1})}, {"x/values", values}, {"x/dense_shape", ints({3, 2})}})),
            TensorKind::csr);
  EXPECT_EQ(kind_of(*grouped(
                {{"x/indptr", ints({0, 1, 2, 2})}, {"x/indices", ints({0, 1})}, {"x/values", values}, {"x/dense_shape", ints({2, 3})}})),
            TensorKind::csc);
  const auto status =
      grouped({{"x/indptr", ints({0, 1, 2, 2})}, {"x/indices", ints({0, 1})}, {"x/values", values}, {"x/dense_shape", ints({7, 8})}})
          .status();
  EXPECT_EQ(status.message(), "tensor 'x': indptr has 4 elements, expected one more than the rows or columns of shape [7, 8]");
}

TEST(Parts, SciPysBlocksAndDiagonalsBecomeEntries) {
  // bsr_array of 2 by 2 blocks: [[1 2 0 0], [3 4 0 0], [0 0 5 6], [0 0 7 8]]
  auto x = grouped({{"format", DenseTensor::of_strings(Shape{}, {"bsr"})},
                    {"indptr", ints({0, 1, 2})},
                    {"indices", ints({0, 1})},
                    {"data", DenseTensor::of<float>(Shape{2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})},
                    {"shape", ints({4, 4})}});
  ASSERT_TRUE(x.ok()) << x.status().to_string();
  EXPECT_TRUE(identical(*x, Tensor(*SparseTensor::csr(Shape{4, 4}, DenseTensor::of<int32_t>(Shape{5}, {0, 2, 4, 6, 8}),
                                                      DenseTensor::of<int32_t>(Shape{8}, {0, 1, 0, 1, 2, 3, 2, 3}),
                                                      DenseTensor::of<float>(Shape{8}, {1, 2, 3, 4, 5, 6, 7, 8})))));
  // dia_array: main diagonal 1 2 3 and the one above it 9 (4) (5): the first element of the latter is padding.
  x = grouped({{"format", DenseTensor::of_strings(Shape{}, {"dia"})},
               {"offsets", ints({1, 0})},
               {"data", DenseTensor::of<float>(Shape{2, 3}, {9, 4, 0, 1, 2, 3})},
               {"shape", ints({3, 3})}});
  ASSERT_TRUE(x.ok()) << x.status().to_string();
  EXPECT_TRUE(identical(*x, Tensor(*SparseTensor::coo(Shape{3, 3}, DenseTensor::of<int64_t>(Shape{4, 2}, {0, 0, 0, 1, 1, 1, 2, 2}),
                                                      DenseTensor::of<float>(Shape{4}, {1, 4, 2, 3})))));
}

TEST(Parts, HostileBlocksAreRefused) {
  const auto bsr = [](DenseTensor indptr, DenseTensor indices, Shape blocks, DenseTensor shape) {
    auto data = MutableBuffer::zeroed(static_cast<size_t>(*blocks.num_elements()) * 4);
    return grouped({{"format", DenseTensor::of_strings(Shape{}, {"bsr"})},
                    {"indptr", std::move(indptr)},
                    {"indices", std::move(indices)},
                    {"data", *DenseTensor::make(DType::float32, blocks, (*std::move(data)).freeze())},
                    {"shape", std::move(shape)}})
        .status();
  };
  EXPECT_EQ(bsr(ints({0, 1}), ints({7}), {1, 2, 2}, ints({2, 4})).message(), "tensor '': BSR block column 7 is outside shape [2, 4]");
  EXPECT_FALSE(bsr(ints({0, 9}), ints({0}), {1, 2, 2}, ints({2, 4})).ok());
  EXPECT_FALSE(bsr(ints({0, 0}), ints({}), {0, 0, 0}, ints({2, 4})).ok());
  EXPECT_EQ(bsr(ints({0, 0}), ints({}), {0, 1000000000000, 2}, ints({1000000000000, 4})).code(), StatusCode::limit_exceeded);
}

TEST(Parts, NegativeShapesAndLengthsAreErrors) {
  auto status = grouped({{"x/indices", DenseTensor::of<int64_t>(Shape{1, 2}, {0, 0})},
                         {"x/values", DenseTensor::of<float>(Shape{1}, {1})},
                         {"x/dense_shape", ints({-1, 2})}})
                    .status();
  EXPECT_EQ(status.message(), "tensor 'x': dense_shape [-1, 2] has a negative axis");
  EXPECT_FALSE(grouped({{"x/values", ints({1, 2})}, {"x/row_lengths", ints({3, -1})}}).ok());
}

}  // namespace
}  // namespace ferry
