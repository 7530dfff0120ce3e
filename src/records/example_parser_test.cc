#include <gtest/gtest.h>

#include <cstring>

#include "ferry/features.h"
#include "ferry/thread_pool.h"
#include "records/example_language_test.h"

namespace ferry {
namespace {

using Kind = FeatureSpec::Kind;

using namespace example_language;

ExampleParser parser_of(std::string_view schema) {
  auto features = schema_from_text(schema);
  EXPECT_TRUE(features.ok()) << features.status().to_string();
  auto parser = ExampleParser::make(*std::move(features));
  EXPECT_TRUE(parser.ok()) << parser.status().to_string();
  return *std::move(parser);
}

Result<TensorMap> parse(std::string_view schema, const std::vector<std::string>& records, const ParseOptions& options = {}) {
  return parser_of(schema).parse(bytes_of(records), options);
}

DenseTensor i64(Shape shape, std::initializer_list<int64_t> values) { return DenseTensor::of<int64_t>(std::move(shape), values); }

void expect_tensor(const Result<TensorMap>& map, std::string_view name, const Tensor& expected) {
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  ASSERT_NE(map->find(name), nullptr);
  EXPECT_TRUE(identical(map->find(name)->tensor, expected)) << name;
}

TEST(ExampleParser, FixedLenGivesRowsInOrderAndDefaultsWhereMissing) {
  const auto map = parse("a:int64, b:float32[2]=0.5, s:string=\"none\"",
                         {example({{"a", ints({7})}, {"b", floats({1, 2})}, {"s", strings({"x"})}}), example({{"a", ints({-1})}}),
                          example({{"s", strings({""})}, {"other", ints({3})}, {"a", ints({1 << 20})}})});
  expect_tensor(map, "a", i64(Shape{3}, {7, -1, 1 << 20}));
  expect_tensor(map, "b", DenseTensor::of<float>(Shape{3, 2}, {1, 2, 0.5, 0.5, 0.5, 0.5}));
  expect_tensor(map, "s", DenseTensor::of_strings(Shape{3}, {"x", "none", ""}));
}

TEST(ExampleParser, VarLenGivesPositionsAndTheLongestRow) {
  const auto map = parse("v:int64{*}", {example({{"v", ints({5, 6})}}), example({}), example({{"v", ""}}), example({{"v", ints({300})}})});
  ASSERT_TRUE(map.ok());
  const auto& sparse = std::get<SparseTensor>((*map)[0].tensor);
  EXPECT_EQ(sparse.shape(), (Shape{4, 2}));
  EXPECT_TRUE(identical(sparse.indices(), i64(Shape{3, 2}, {0, 0, 0, 1, 3, 0})));
  EXPECT_TRUE(identical(sparse.values(), i64(Shape{3}, {5, 6, 300})));
}

TEST(ExampleParser, LastOfTwoEntriesWithOneKeyCounts) {
  const auto map = parse("a:int64, v:int64{*}", {example({{"a", ints({1})}, {"v", ints({1, 2})}, {"a", ints({2})}, {"v", ints({3})}}),
                                                 // TensorFlow never looks at the values of the first, which would not fit.
                                                 example({{"a", floats({1})}, {"a", ints({9})}})});
  expect_tensor(map, "a", i64(Shape{2}, {2, 9}));
  ASSERT_TRUE(map.ok());
  EXPECT_TRUE(identical(std::get<SparseTensor>((*map)[1].tensor).values(), i64(Shape{1}, {3})));
}

TEST(ExampleParser, NumbersOneByOneReadAsPackedOnes) {
  std::string list;
  for (uint64_t v : {1u, 200u}) proto::append_varint_field(list, 1, v);
  expect_tensor(parse("a:int64[2]", {example({{"a", field(3, list)}})}), "a", i64(Shape{1, 2}, {1, 200}));
}

TEST(ExampleParser, ErrorsNameRecordNameAndFeature) {
  const std::vector<std::string> records = {example({{"a", ints({1})}}), example({{"a", floats({1})}})};
  const std::string_view names[] = {"first", "second"};
  int64_t failed = -2;
  ParseOptions options;
  options.names = names;
  options.failed = &failed;
  const Status status = parse("a:int64", records, options).status();
  EXPECT_EQ(status.code(), StatusCode::invalid_argument);
  EXPECT_EQ(status.message(), "record 1 ('second'): feature 'a': data types don't match: found float_list, expected int64_list (int64)");
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(parse("b:int64", records).status().message(),
            "record 0: feature 'b': is missing; it is required, being int64 of shape [] without a default");
  EXPECT_EQ(parse("a:int64[3]", records).status().message(), "record 0: feature 'a': found 1 values, expected 3 for shape [3]");
}

TEST(ExampleParser, AnySplitOverThreadsGivesTheSameBits) {
  std::vector<std::string> records;
  for (int64_t i = 0; i < 1000; ++i) {
    std::string list;
    for (int64_t k = 0; k < i % 7; ++k) list += field(1, concat("v", i, ".", k));
    records.push_back(example({{"a", ints({i})}, {"s", field(1, list)}, {"v", i % 3 == 0 ? ints({i, i * i}) : ints({})}}));
  }
  const std::string_view schema = "a:int64, s:string[*], v:int64{*}";
  const auto one = parse(schema, records);
  ThreadPool pool(3);
  ParseOptions options;
  options.threads = &pool;
  const auto three = parse(schema, records, options);
  ASSERT_TRUE(one.ok() && three.ok());
  EXPECT_TRUE(identical(*one, *three));
}

}  // namespace
}  // namespace ferry
