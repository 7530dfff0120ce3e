#include "records/tables.h"

#include <gtest/gtest.h>

#include "records/rows.h"

namespace ferry::records {
namespace {

Result<TensorMap> through(const TensorMap& map, TableOptions options) {
  FERRY_ASSIGN_OR_RETURN(Table table, table_of(map, options));
  const int64_t count = table.rows;
  RowEncoder rows(std::move(table.columns));
  ColumnBuilder builder;
  for (int64_t row = 0; row < count; ++row) {
    std::string record;
    rows.append(record, row);
    FERRY_RETURN_IF_ERROR(builder.add(std::as_bytes(std::span(record)), 0));
  }
  FERRY_ASSIGN_OR_RETURN(auto columns, std::move(builder).finish());
  return tensors_of(std::move(columns), count, options);
}

TableOptions one_record() {
  TableOptions out;
  out.rows = Rows::one;
  return out;
}

TableOptions unmarked() {
  TableOptions out;
  out.marks = false;
  return out;
}

Tensor ragged(std::vector<std::vector<int64_t>> splits, DenseTensor values) {
  std::vector<DenseTensor> nested;
  for (const auto& s : splits) nested.push_back(DenseTensor::vector<int64_t>(s));
  return *RaggedTensor::make(std::move(nested), std::move(values));
}

SparseTensor coo(Shape shape, std::vector<int64_t> indices, DenseTensor values) {
  const auto rank = static_cast<int64_t>(shape.rank());
  return *SparseTensor::coo(std::move(shape),
                            DenseTensor::of<int64_t>(Shape{values.num_elements(), rank}, std::span<const int64_t>(indices)), values,
                            {true, true});
}

std::vector<std::pair<std::string, Tensor>> rows_of_two() {
  std::vector<std::pair<std::string, Tensor>> out;
  out.emplace_back("scalars", DenseTensor::of<int64_t>({2}, {1, 2}));
  out.emplace_back("column", DenseTensor::of<float>({2, 1}, {1, 2}));
  out.emplace_back("matrix", DenseTensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  out.emplace_back("no_columns", DenseTensor::of<float>(Shape{2, 0}, std::span<const float>()));
  out.emplace_back("cube", DenseTensor::of<int32_t>({2, 1, 2}, {1, -2, 3, 4}));
  out.emplace_back("flags", DenseTensor::of<bool>({2}, {true, false}));
  out.emplace_back("halves", DenseTensor::of<Half>({2, 2}, {Half(1.5f), Half(2), Half(-1), Half(0)}));
  out.emplace_back("doubles", DenseTensor::of<double>({2}, {0.5, -2}));
  out.emplace_back("texts", DenseTensor::of_strings({2, 1, 1}, {"a", ""}));
  out.emplace_back("ragged", ragged({{0, 2, 3}}, DenseTensor::of<int64_t>({3}, {1, 2, 3})));
  out.emplace_back("ragged_even", ragged({{0, 2, 4}}, DenseTensor::of<int16_t>({4}, {1, 2, 3, 4})));
  out.emplace_back("ragged_pairs", ragged({{0, 0, 2}}, DenseTensor::of<float>({2, 2}, {1, 2, 3, 4})));
  out.emplace_back("lists", ragged({{0, 2, 3}, {0, 1, 1, 3}}, DenseTensor::of<int64_t>({3}, {1, 2, 3})));
  out.emplace_back("lists_of_pairs", ragged({{0, 1, 2}, {0, 1, 2}}, DenseTensor::of<float>({2, 2}, {1, 2, 3, 4})));
  out.emplace_back("no_lists", ragged({{0, 0, 0}, {0}}, DenseTensor::of_strings(Shape{0}, {})));
  out.emplace_back("coo", coo({2, 9}, {0, 3, 1, 0, 1, 8}, DenseTensor::of<float>({3}, {1, 2, 3})));
  out.emplace_back("coo_cube", coo({2, 3, 4}, {0, 1, 2, 1, 2, 3}, DenseTensor::of<int32_t>({2}, {1, 2})));
  out.emplace_back("coo_vector", coo({2}, {1}, DenseTensor::of_strings({1}, {"x"})));
  out.emplace_back("coo_empty", coo({2, 5}, {}, DenseTensor::of<int64_t>(Shape{0}, std::span<const int64_t>())));
  return out;
}

TEST(Tables, EveryKindOfColumnComesBackByItselfAndTogether) {
  TensorMap all;
  for (auto& [name, tensor] : rows_of_two()) {
    TensorMap one;
    ASSERT_TRUE(one.add(name, tensor).ok());
    ASSERT_TRUE(all.add(name, tensor).ok());
    auto back = through(one, {});
    ASSERT_TRUE(back.ok()) << name << ": " << back.status().to_string();
    EXPECT_TRUE(identical(one, *back)) << name;
  }
  auto back = through(all, {});
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  ASSERT_EQ(back->size(), all.size());
  for (const auto& entry : all) EXPECT_TRUE(identical(back->find(entry.name)->tensor, entry.tensor)) << entry.name;
}

TEST(Tables, OneRecordHoldsTensorsOfAnyShape) {
  TensorMap map;
  for (auto& [name, tensor] : rows_of_two()) ASSERT_TRUE(map.add(name, tensor).ok());
  ASSERT_TRUE(map.add("scalar", DenseTensor::scalar<int64_t>(7)).ok());
  ASSERT_TRUE(map.add("seven", DenseTensor::of<float>(Shape{7, 0, 2}, std::span<const float>())).ok());
  auto back = through(map, one_record());
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  for (const auto& entry : map) {
    ASSERT_NE(back->find(entry.name), nullptr) << entry.name;
    EXPECT_TRUE(identical(back->find(entry.name)->tensor, entry.tensor)) << entry.name;
  }
}

TEST(Tables, WithoutMarksThePlainFeaturesAreLeft) {
  TensorMap map;
  ASSERT_TRUE(map.add("x", DenseTensor::of<int32_t>({2, 1, 2}, {1, 2, 3, 4})).ok());
  auto back = through(map, unmarked());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->size(), 1u);
  EXPECT_TRUE(identical((*back)[0].tensor, Tensor(DenseTensor::of<int64_t>({2, 2}, {1, 2, 3, 4}))));
}

TEST(Tables, WhatDoesNotFitIsNoMark) {
  TensorMap map;
  ASSERT_TRUE(map.add("image", DenseTensor::of_strings({2}, {"png", "png"})).ok());
  ASSERT_TRUE(map.add("image/shape", DenseTensor::of<int64_t>({2, 2}, {28, 28, 28, 28})).ok());
  auto back = through(map, {});
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(identical(map, *back));
  ASSERT_TRUE(map.add("fits", DenseTensor::of<int64_t>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})).ok());
  ASSERT_TRUE(map.add("fits/shape", DenseTensor::of<int64_t>({2, 2}, {2, 2, 2, 2})).ok());
  EXPECT_EQ(through(map, {}).status().code(), StatusCode::unsupported);
}

std::string refusal(std::initializer_list<std::pair<std::string, Tensor>> tensors) {
  TensorMap map;
  for (const auto& [name, tensor] : tensors) EXPECT_TRUE(map.add(name, tensor).ok());
  const auto table = table_of(map, {});
  EXPECT_EQ(table.status().code(), StatusCode::unsupported);
  return std::string(table.status().message());
}

TEST(Tables, WhatAnExampleCannotHoldIsRefusedWithAWayOut) {
  EXPECT_NE(refusal({{"x", DenseTensor::of<double>({1}, {0.1})}}).find("round it with --cast float32"), std::string::npos);
  EXPECT_NE(refusal({{"x", DenseTensor::of<uint64_t>({1}, {~uint64_t{0}})}}).find("--cast"), std::string::npos);
  EXPECT_NE(refusal({{"x", DenseTensor::scalar<float>(1)}}).find("is a scalar and has no rows"), std::string::npos);
  EXPECT_NE(refusal({{"a", DenseTensor::of<float>({1}, {1})}, {"b", DenseTensor::of<float>({2}, {1, 2})}}).find("'a' has 1, 'b' 2"),
            std::string::npos);
}

TEST(Tables, ASchemaSaysWhatColumnsAre) {
  TensorMap map;
  ASSERT_TRUE(map.add("a", DenseTensor::of<int64_t>({2}, {1, 2})).ok());
  ASSERT_TRUE(map.add("b", ragged({{0, 2, 4}}, DenseTensor::of<int64_t>({4}, {1, 2, 3, 4}))).ok());
  TableOptions options;
  auto schema = schema_from_text("b:int32[*], \"a\":int8[1], none:string[*], w:float32{5}");
  ASSERT_TRUE(schema.ok()) << schema.status().to_string();
  options.schema = *schema;
  auto back = through(map, options);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  TensorMap expected;
  ASSERT_TRUE(expected.add("b", ragged({{0, 2, 4}}, DenseTensor::of<int32_t>({4}, {1, 2, 3, 4}))).ok());
  ASSERT_TRUE(expected.add("a", DenseTensor::of<int8_t>({2, 1}, {1, 2})).ok());
  ASSERT_TRUE(expected.add("none", ragged({{0, 0, 0}}, DenseTensor::of_strings(Shape{0}, {}))).ok());
  ASSERT_TRUE(expected.add("w", coo({2, 5}, {}, DenseTensor::of<float>(Shape{0}, std::span<const float>()))).ok());
  EXPECT_TRUE(identical(expected, *back));
  options.schema = *schema_from_text("b:int64[pad]=-1, a:int64{*}");
  back = through(map, options);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(identical((*back)[0].tensor, Tensor(DenseTensor::of<int64_t>({2, 2}, {1, 2, 3, 4}))));
  EXPECT_EQ(kind_of((*back)[1].tensor), TensorKind::coo);
  options.schema = *schema_from_text("b:int64[*,2]");
  back = through(map, options);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(identical((*back)[0].tensor, Tensor(ragged({{0, 1, 2}}, DenseTensor::of<int64_t>({2, 2}, {1, 2, 3, 4})))));
  options.schema = *schema_from_text("b:int64[*,3]");
  EXPECT_EQ(through(map, options).status().message(),
            "record 0: feature 'b' has 2 values, the schema asks for a multiple of 3 (shape [3])");
  options.schema = *schema_from_text("a:int64[2]");
  EXPECT_EQ(through(map, options).status().message(), "record 0: feature 'a' has 1 values, the schema asks for 2 (shape [2])");
  options.schema = *schema_from_text("c:int64");
  EXPECT_EQ(through(map, options).status().message(), "record 0: feature 'c' is missing or empty, the schema asks for 1 (shape [])");
  const auto none = tensors_of({}, 0, options);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(shape_of((*none)[0].tensor), Shape{0});
}

TEST(Tables, ASchemaThatDoesNotReadSaysWhere) {
  for (const char* text : {"", "a", "a:", "a:int65", "a:int64[", "a:int64[2", "a:int64{}", "a:int64[-1]", "a:complex64", "a:int64 b:int64",
                           "a:int64,a:int64", "\"a:int64"}) {
    const auto schema = schema_from_text(text);
    EXPECT_EQ(schema.status().code(), StatusCode::invalid_argument) << text;
  }
}

}  // namespace
}  // namespace ferry::records
