#include "records/columns.h"

#include <gtest/gtest.h>

#include "records/rows.h"
#include "wire/protobuf.h"

namespace ferry::records {
namespace {

using namespace std::string_view_literals;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string field(uint32_t number, std::string_view value) {
  std::string out;
  proto::append_bytes_field(out, number, value);
  return out;
}
std::string ints(std::initializer_list<int64_t> values) {
  std::string packed;
  for (int64_t v : values) proto::append_varint(packed, static_cast<uint64_t>(v));
  return field(3, packed.empty() ? packed : field(1, packed));
}
std::string floats(std::initializer_list<float> values) {
  std::string packed;
  for (float v : values) packed.append(reinterpret_cast<const char*>(&v), 4);
  return field(2, packed.empty() ? packed : field(1, packed));
}
std::string texts(std::initializer_list<std::string_view> values) {
  std::string list;
  for (std::string_view v : values) list += field(1, v);
  return field(1, list);
}
std::string entry(std::string_view key, std::string_view value) { return field(1, field(1, key) + field(2, value)); }
std::string example(std::string_view entries) { return field(1, entries); }

struct Built {
  Status status;
  std::vector<NamedColumn> columns;
  Column::Taken take(std::string_view name) {
    for (NamedColumn& c : columns) {
      if (c.name == name) return *std::move(c.values).take();
    }
    ADD_FAILURE() << "no column " << name;
    return {};
  }
};

Built build(std::initializer_list<std::string> records, const Limits& limits = {}) {
  Built out;
  ColumnBuilder builder(limits);
  for (const std::string& record : records) {
    out.status = builder.add(bytes_of(record), 100);
    if (!out.status.ok()) return out;
  }
  auto columns = std::move(builder).finish();
  out.status = columns.status();
  if (columns.ok()) out.columns = *std::move(columns);
  return out;
}

std::vector<int64_t> list(const DenseTensor& x) {
  const auto v = x.values<int64_t>();
  return {v.begin(), v.end()};
}

TEST(Columns, RowsOfOneWidthNeedNoSplits) {
  auto built =
      build({example(entry("a", ints({1, -2})) + entry("b", texts({"x"}))), example(entry("b", texts({"yz"})) + entry("a", ints({3, 4})))});
  const auto a = built.take("a");
  EXPECT_EQ(a.width, 2);
  EXPECT_EQ(list(a.values), (std::vector<int64_t>{1, -2, 3, 4}));
  const auto b = built.take("b");
  EXPECT_EQ(b.width, 1);
  EXPECT_EQ(b.values.strings()[1], "yz");
}

TEST(Columns, AFeatureThatComesLateOrGoesMissingIsRagged) {
  auto built = build({example(entry("a", ints({1}))), example(""), example(entry("late", floats({2, 3})) + entry("a", ints({})))});
  EXPECT_EQ(list(built.take("a").splits), (std::vector<int64_t>{0, 1, 1, 1}));
  const auto late = built.take("late");
  EXPECT_EQ(list(late.splits), (std::vector<int64_t>{0, 0, 0, 2}));
  EXPECT_EQ(late.kind, FeatureKind::floats);
}

TEST(Columns, OfOneKeyTwiceTheLastCounts) {
  auto built = build({example(entry("a", ints({1, 2})) + entry("a", floats({5})) + entry("b", texts({"x"})) + entry("a", ints({7})))});
  const auto a = built.take("a");
  EXPECT_EQ(a.kind, FeatureKind::ints);
  EXPECT_EQ(list(a.values), std::vector<int64_t>{7});
  built = build({example(entry("a", ints({1})) + entry("a", floats({})))});
  EXPECT_EQ(built.take("a").kind, FeatureKind::floats) << "the last one is an empty float_list";
}

TEST(Columns, ListsOfOneKindAddUpAndOfTwoKindsTheLastCounts) {
  auto built = build({example(entry("a", ints({1}) + ints({2})) + entry("b", ints({1}) + floats({4}) + floats({5})) +
                              entry("c", ints({1}) + floats({4}) + ints({5})))});
  EXPECT_EQ(list(built.take("a").values), (std::vector<int64_t>{1, 2}));
  const auto b = built.take("b");
  EXPECT_EQ(b.kind, FeatureKind::floats);
  EXPECT_EQ(b.values.num_elements(), 2);
  EXPECT_EQ(list(built.take("c").values), std::vector<int64_t>{5});
}

TEST(Columns, AnEntryInAnyOrderMerges) {
  const std::string value = field(2, ints({1})), more = field(2, ints({2}));
  auto built = build({example(field(1, value + field(1, "old") + more + field(1, "key") + field(9, "unknown")))});
  EXPECT_EQ(list(built.take("key").values), (std::vector<int64_t>{1, 2}));
  built = build({example(field(1, value))});  // no key: ""
  EXPECT_EQ(list(built.take("").values), std::vector<int64_t>{1});
  // A field that begins in one value and ends in the next is none.
  built = build({example(field(1, field(1, "key") + field(2, "\x1a\x02") + field(2, "\x0a\x00"sv)))});
  EXPECT_EQ(built.status.code(), StatusCode::data_loss) << built.status.to_string();
}

TEST(Columns, FeaturesFieldsAddUpAndUnknownOnesAreSkipped) {
  std::string record = example(entry("a", ints({1}))) + field(7, "?") + example(entry("b", ints({2})));
  proto::append_varint_field(record, 2, 5);
  auto built = build({record});
  EXPECT_EQ(built.columns.size(), 2u);
}

TEST(Columns, SequenceExamplesKeepTheirLists) {
  const std::string steps = field(1, ints({1, 2})) + field(1, ints({}));
  auto built = build({example(entry("id", ints({7}))) + field(2, entry("t", steps)), example(entry("id", ints({8}))),
                      field(2, entry("t", field(1, ints({9})) + field(1, ints({0}))) + entry("t", field(1, ints({3}))))});
  ASSERT_TRUE(built.status.ok()) << built.status.to_string();
  for (NamedColumn& c : built.columns) {
    if (!c.is_list) continue;
    EXPECT_EQ(std::vector<int64_t>(c.steps.data(), c.steps.data() + c.steps.size()), (std::vector<int64_t>{0, 2, 2, 3}));
  }
  const auto t = built.take("t");
  EXPECT_EQ(list(t.values), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(list(t.splits), (std::vector<int64_t>{0, 2, 2, 3}));
}

TEST(Columns, ContentTellsTheRecordsApart) {
  EXPECT_EQ(record_kind(bytes_of(example(entry("a", ints({1}))))), RecordKind::example);
  EXPECT_EQ(record_kind(bytes_of(example("") + field(2, entry("a", field(1, ints({1})))))), RecordKind::sequence_example);
  EXPECT_EQ(record_kind(bytes_of("hello")), RecordKind::other);
  EXPECT_EQ(record_kind(bytes_of(field(1, "\x08\x01\x12\x00"))), RecordKind::other);
}

TEST(Columns, AnotherKindIsAnErrorUnlessItIsEmpty) {
  EXPECT_EQ(build({example(entry("a", ints({1}))), example(entry("a", floats({2})))}).status.message(),
            "feature 'a': found float_list, expected int64_list as before");
  EXPECT_TRUE(build({example(entry("a", ints({1}))), example(entry("a", floats({})))}).status.ok());
  auto built = build({example(entry("a", ints({}))), example(entry("a", floats({2})))});
  EXPECT_EQ(built.take("a").kind, FeatureKind::floats);
}

TEST(Columns, ErrorsNameTheFeatureAndThePlace) {
  const auto status = build({example(entry("a", field(2, field(1, "abc"))))}).status;
  EXPECT_EQ(status.to_string(), "data_loss: at byte 113: feature 'a': the packed values end inside a value");
}

TEST(Columns, FeaturesInFewRecordsEachCannotAskForTheirProduct) {
  Limits limits;
  limits.free_expanded_bytes = 1 << 20;
  limits.max_expansion_ratio = 4;
  ColumnBuilder builder(limits);
  Status status;
  for (int i = 0; i < 100000 && status.ok(); ++i) status = builder.add(bytes_of(example(entry(concat(i), ints({1})))), 0);
  EXPECT_EQ(status.code(), StatusCode::limit_exceeded);
  EXPECT_LT(builder.records(), 1000);
}

TEST(Columns, ManyNamesThatAgreeAtBothEndsAreFound) {
  std::string entries;
  for (int i = 100000; i < 140000; ++i) entries += entry(concat("user_feature_", i, "_embedding"), ints({i}));
  ColumnBuilder builder;
  for (int record = 0; record < 2; ++record) ASSERT_TRUE(builder.add(bytes_of(example(entries)), 0).ok());
  auto columns = std::move(builder).finish();
  ASSERT_TRUE(columns.ok());
  EXPECT_EQ(columns->size(), 40000u);
}

TEST(Rows, AreByteForByteTheSimplestMessage) {
  const std::string expected =
      example(entry("f", floats({1.5f})) + entry("i", ints({-1, 300})) + entry("s", texts({"", "xy"})) + entry("none", ints({})));
  const std::string other = example(entry("f", floats({2})) + entry("i", ints({0})) + entry("s", texts({})) + entry("none", ints({})));
  const int64_t cut[] = {0, 2, 3}, words[] = {0, 2, 2};
  std::vector<FeatureColumn> columns(4);
  columns[0] = {"f", DenseTensor::of<float>({2}, {1.5f, 2}), 1, {}, false, false, {}};
  columns[1] = {"i", DenseTensor::of<int64_t>({3}, {-1, 300, 0}), -1, DenseTensor::vector<int64_t>(cut), false, false, {}};
  columns[2] = {"s", DenseTensor::of_strings({2}, {"", "xy"}), -1, DenseTensor::vector<int64_t>(words), false, false, {}};
  columns[3] = {"none", DenseTensor::of<int64_t>(Shape{0}, std::span<const int64_t>()), 0, {}, false, false, {}};
  RowEncoder rows(std::move(columns));
  std::string out;
  rows.append(out, 0);
  EXPECT_EQ(out, expected);
  out.clear();
  rows.append(out, 1);
  EXPECT_EQ(out, other);
}

}  // namespace
}  // namespace ferry::records
