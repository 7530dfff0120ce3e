#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>

#include "ferry/features.h"
#include "ferry/thread_pool.h"
#include "records/example_language_test.h"

namespace {
std::atomic<int64_t> allocations{0};
thread_local bool counting = false;
void count() {
  if (counting) allocations.fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FERRY_COUNTS_ALLOCATIONS 1
extern "C" void* __libc_malloc(size_t);
extern "C" void* __libc_memalign(size_t, size_t);
extern "C" void* malloc(size_t size) {
  count();
  return __libc_malloc(size);
}
extern "C" void* aligned_alloc(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
#endif

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

#ifdef FERRY_COUNTS_ALLOCATIONS
TEST(ExampleParser, BatchesAfterTheFirstAllocateNothing) {
  std::vector<std::string> records;
  for (int64_t i = 0; i < 500; ++i) {
    std::string list;
    for (int64_t k = 0; k < 3 + i % 5; ++k) list += field(1, concat("value", i, ".", k));
    records.push_back(example({{"a_name_that_is_no_short_string", ints({i})},
                               {"x", floats({1, 2})},
                               {"words", field(1, list)},
                               {"ids", ints({i, i * i})},
                               {"w", strings({"s"})}}));
  }
  const auto spans = bytes_of(records);
  const ExampleParser parser =
      parser_of("a_name_that_is_no_short_string:int64, x:float32[2], words:string{*}, ids:int64[pad], w:string, none:float32{*}");
  TensorMap batch;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(parser.parse(spans, batch).ok());
  counting = true;
  const int64_t before = allocations.load();
  for (int i = 0; i < 10; ++i) (void)parser.parse(spans, batch);
  counting = false;
  EXPECT_EQ(allocations.load() - before, 0);
  EXPECT_EQ(batch.size(), 6u);
  // A tensor that somebody keeps keeps its bytes.
  const Tensor kept = batch[0].tensor;
  ASSERT_TRUE(
      parser
          .parse(bytes_of({example({{"a_name_that_is_no_short_string", ints({-1})}, {"x", floats({1, 2})}, {"w", strings({""})}})}), batch)
          .ok());
  EXPECT_EQ(std::get<DenseTensor>(kept).values<int64_t>()[499], 499);
}
#endif

FeatureSpec cut(std::string_view by, RaggedPartition::Kind kind) {
  FeatureSpec out = FeatureSpec::ragged("r", DType::int64, {{kind, std::string(by), 0}});
  out.value_key = "v";
  return out;
}

TEST(ExampleParser, PartitionsCutTheValuesOfEachRecord) {
  using K = RaggedPartition::Kind;
  const std::vector<std::string> records = {example({{"v", ints({1, 2, 3})},
                                                     {"splits", ints({0, 2, 2, 3})},
                                                     {"lengths", ints({2, 0, 1})},
                                                     {"starts", ints({0, 2, 2})},
                                                     {"limits", ints({2, 2, 3})},
                                                     {"ids", ints({0, 0, 2})}}),
                                            example({}),
                                            example({{"v", ints({4})},
                                                     {"splits", ints({0, 1})},
                                                     {"lengths", ints({1})},
                                                     {"starts", ints({0})},
                                                     {"limits", ints({1})},
                                                     {"ids", ints({0})}})};
  const auto expected = RaggedTensor::make({i64(Shape{4}, {0, 3, 3, 4}), i64(Shape{5}, {0, 2, 2, 3, 4})}, i64(Shape{4}, {1, 2, 3, 4}));
  ASSERT_TRUE(expected.ok());
  const std::pair<std::string_view, K> all[] = {{"splits", K::row_splits},
                                                {"lengths", K::row_lengths},
                                                {"starts", K::row_starts},
                                                {"limits", K::row_limits},
                                                {"ids", K::value_rowids}};
  for (const auto& [key, kind] : all) {
    const auto parser = ExampleParser::make({cut(key, kind)});
    ASSERT_TRUE(parser.ok());
    expect_tensor(parser->parse(bytes_of(records)), "r", *expected);
  }
}

TEST(ExampleParser, PartitionsThatDoNotFitTheirValuesAreErrors) {
  using K = RaggedPartition::Kind;
  const auto message = [](std::string_view by, K kind, const std::string& partition) {
    const auto parser = ExampleParser::make({cut(by, kind)});
    return std::string(parser->parse(bytes_of({example({}), example({{"v", ints({1, 2})}, {"p", partition}})})).status().message());
  };
  EXPECT_EQ(message("p", K::row_splits, ints({0, 9})), "record 1: feature 'r': the RowSplits in 'p' do not cut its 2 values");
  for (const auto& [kind, partition] : std::initializer_list<std::pair<K, std::string>>{{K::row_splits, ints({1, 2})},
                                                                                        {K::row_splits, ints({})},
                                                                                        {K::row_lengths, ints({3})},
                                                                                        {K::row_lengths, ints({-1, 3})},
                                                                                        {K::row_starts, ints({1})},
                                                                                        {K::row_limits, ints({2, 1})},
                                                                                        {K::value_rowids, ints({0})},
                                                                                        {K::value_rowids, ints({1, 0})},
                                                                                        {K::value_rowids, ints({0, -1})},
                                                                                        {K::value_rowids, ints({0, INT64_MAX})}}) {
    EXPECT_NE(message("p", kind, partition), "");
  }
}

TEST(ExampleParser, RowIdsThatLeaveOutBillionsOfRowsAreRefused) {
  const auto parser = ExampleParser::make({cut("p", RaggedPartition::Kind::value_rowids)});
  const Status status = parser->parse(bytes_of({example({{"v", ints({1})}, {"p", ints({int64_t{1} << 40})}})})).status();
  EXPECT_EQ(status.code(), StatusCode::limit_exceeded);
}

TEST(ExampleParser, SparseFeatureSortsItsEntriesAndHoldsThemAgainstTheSize) {
  const auto map = parse("w:float32{9}", {example({{"w/indices", ints({7, 2})}, {"w/values", floats({1, 2})}})});
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  const auto& sparse = std::get<SparseTensor>((*map)[0].tensor);
  EXPECT_TRUE(identical(sparse.indices(), i64(Shape{2, 2}, {0, 2, 0, 7})));
  EXPECT_EQ(parse("w:float32{7}", {example({}), example({{"w/indices", ints({7})}, {"w/values", floats({1})}})}).status().message(),
            "record 1: feature 'w': index 7 on axis 0 is outside the size 7");
  EXPECT_EQ(parse("w:float32{7}", {example({{"w/indices", ints({7})}})}).status().message(),
            "record 0: feature 'w': index key 'w/indices' has 1 values, expected 0 for the values of 'w/values'");
}

TEST(ExampleParser, KeysWithOneTailAreToldApart) {
  const auto map =
      parse("aa_12345678:int64, bb_12345678:int64, 12345678:int64",
            {example({{"bb_12345678", ints({2})}, {"cc_12345678", ints({9})}, {"12345678", ints({3})}, {"aa_12345678", ints({1})}})});
  expect_tensor(map, "aa_12345678", i64(Shape{1}, {1}));
  expect_tensor(map, "bb_12345678", i64(Shape{1}, {2}));
  expect_tensor(map, "12345678", i64(Shape{1}, {3}));
}

TEST(ExampleParser, FeaturesThatContradictOneAnotherAreRefused) {
  const auto code = [](std::vector<FeatureSpec> features) { return ExampleParser::make(std::move(features)).status().code(); };
  const FeatureSpec fixed = FeatureSpec::fixed_len("a", DType::int64), ragged = FeatureSpec::ragged("r", DType::int64);
  FeatureSpec same_key = ragged;
  same_key.value_key = "a";
  EXPECT_EQ(code({fixed, same_key}), StatusCode::invalid_argument);
  EXPECT_EQ(code({fixed, fixed}), StatusCode::invalid_argument);
  EXPECT_EQ(code({FeatureSpec::fixed_len("a", DType::int32)}), StatusCode::invalid_argument);
  EXPECT_EQ(code({FeatureSpec::fixed_len("a", DType::int64, Shape{2}, i64(Shape{1}, {1}))}), StatusCode::invalid_argument);
  EXPECT_EQ(code({FeatureSpec::fixed_len_sequence("a", DType::int64, Shape{0})}), StatusCode::invalid_argument);
  EXPECT_EQ(code({FeatureSpec::sparse("a", DType::int64, Shape{2}, {}, "v")}), StatusCode::invalid_argument);
  EXPECT_EQ(code({}), StatusCode::invalid_argument);
}

TEST(SequenceExampleParser, GivesContextListsAndLengths) {
  auto parser = SequenceExampleParser::make({FeatureSpec::fixed_len("id", DType::int64)},
                                            {FeatureSpec::fixed_len_sequence("t", DType::int64), FeatureSpec::var_len("w", DType::string),
                                             FeatureSpec::ragged("r", DType::float32)});
  ASSERT_TRUE(parser.ok()) << parser.status().to_string();
  const auto out = parser->parse(
      bytes_of({sequence({{"id", ints({1})}}, {{"t", {ints({5}), ints({6})}}, {"w", {strings({"a"}), strings({}), strings({"b", "c"})}}}),
                sequence({{"id", ints({2})}}, {{"t", {ints({7})}}, {"r", {floats({1, 2}), floats({})}}})}));
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_TRUE(identical(out->context[0].tensor, Tensor(i64(Shape{2}, {1, 2}))));
  EXPECT_TRUE(identical(out->lists[0].tensor, Tensor(i64(Shape{2, 2}, {5, 6, 7, 0}))));
  EXPECT_TRUE(identical(out->lengths[0].tensor, Tensor(i64(Shape{2}, {2, 1}))));
  const auto& words = std::get<SparseTensor>(out->lists[1].tensor);
  EXPECT_EQ(words.shape(), (Shape{2, 3, 2}));
  EXPECT_TRUE(identical(words.indices(), i64(Shape{3, 3}, {0, 0, 0, 0, 2, 0, 0, 2, 1})));
  const auto& ragged = std::get<RaggedTensor>(out->lists[2].tensor);
  EXPECT_TRUE(identical(ragged.row_splits(0), i64(Shape{3}, {0, 0, 2})));
  EXPECT_TRUE(identical(ragged.row_splits(1), i64(Shape{3}, {0, 2, 2})));
}

TEST(SequenceExampleParser, ErrorsNameRecordListAndStep) {
  auto parser = SequenceExampleParser::make({}, {FeatureSpec::fixed_len_sequence("t", DType::int64)});
  EXPECT_EQ(parser->parse(bytes_of({sequence({}, {{"t", {ints({5}), ints({6, 7})}}})})).status().message(),
            "record 0: feature list 't', step 1: found 2 values, expected 1 for shape []");
  EXPECT_EQ(parser->parse(bytes_of({sequence({}, {{"t", {floats({5})}}})})).status().message(),
            "record 0: step 0 of feature list 't': data types don't match, or it is malformed; expected int64_list (int64)");
}

std::string list_of(std::initializer_list<std::string> examples, const std::string& context) {
  std::string out;
  for (const std::string& one : examples) out += field(1, one);
  return out + field(2, context);
}

TEST(ExampleListParser, GivesTheContextAndAnAxisOfExamples) {
  const std::vector<std::string> records = {
      list_of({example({{"d", ints({1})}, {"v", ints({5, 6})}}), example({{"d", ints({2})}})}, example({{"q", strings({"a"})}})),
      list_of({}, example({{"q", strings({"b"})}})),
      list_of({example({{"d", ints({3})}, {"v", ints({7})}})}, example({{"q", strings({"c"})}}))};
  auto parser = ExampleListParser::make({FeatureSpec::fixed_len("q", DType::string)},
                                        {FeatureSpec::fixed_len("d", DType::int64), FeatureSpec::var_len("v", DType::int64)});
  ASSERT_TRUE(parser.ok());
  const auto out = parser->parse(bytes_of(records));
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_TRUE(identical(out->context[0].tensor, Tensor(DenseTensor::of_strings(Shape{3}, {"a", "b", "c"}))));
  EXPECT_TRUE(identical(Tensor(out->sizes), Tensor(i64(Shape{3}, {2, 0, 1}))));
  const auto& d = std::get<RaggedTensor>(out->examples[0].tensor);
  EXPECT_TRUE(identical(d.row_splits(0), i64(Shape{4}, {0, 2, 2, 3})));
  EXPECT_TRUE(identical(d.flat_values(), i64(Shape{3}, {1, 2, 3})));
  const auto& v = std::get<SparseTensor>(out->examples[1].tensor);
  EXPECT_EQ(v.shape(), (Shape{3, 2, 2}));
  EXPECT_TRUE(identical(v.indices(), i64(Shape{3, 3}, {0, 0, 0, 0, 0, 1, 2, 0, 0})));

  auto padded = ExampleListParser::make({}, {FeatureSpec::fixed_len("d", DType::int64, {}, i64(Shape{}, {-1}))}, 2);
  const auto dense = padded->parse(bytes_of(records));
  ASSERT_TRUE(dense.ok()) << dense.status().to_string();
  EXPECT_TRUE(identical(dense->examples[0].tensor, Tensor(i64(Shape{3, 2}, {1, 2, -1, -1, 3, -1}))));
  EXPECT_EQ(parser->parse(bytes_of({"\x0a\x7f"})).status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace ferry
