#include <cmath>
#include <limits>
#include <string>

#include "ferry/format.h"
#include "gtest/gtest.h"

namespace ferry::tsv {
extern const Format kFormat;
}
namespace ferry::csv {
extern const Format kFormat;
namespace {

using Settings = std::initializer_list<std::pair<std::string, std::string>>;

Result<TensorMap> read_text(std::string_view text, Settings settings = {}, const Format& format = kFormat) {
  ReadOptions options;
  for (const auto& [name, value] : settings) options.format.set(name, value);
  return read_tensors(memory_source(*Buffer::copy_of(text)), &format, options);
}

std::string fault(std::string_view text, Settings settings = {}) {
  const auto tensors = read_text(text, settings);
  return tensors.ok() ? "read" : tensors.status().to_string();
}

template <class T>
Tensor coo(Shape shape, std::initializer_list<int64_t> indices, std::initializer_list<T> values) {
  const auto count = static_cast<int64_t>(values.size());
  const auto rank = static_cast<int64_t>(shape.rank());
  return *SparseTensor::coo(shape, DenseTensor::of<int64_t>({count, rank}, indices), DenseTensor::of<T>({count}, values), {true, true});
}

void expect_one(const Result<TensorMap>& tensors, std::string_view name, const Tensor& expected) {
  ASSERT_TRUE(tensors.ok()) << tensors.status().to_string();
  ASSERT_EQ(tensors->size(), 1u);
  EXPECT_EQ((*tensors)[0].name, name);
  EXPECT_TRUE(identical((*tensors)[0].tensor, expected));
}

TEST(CsvPairsTest, HeaderlessAndNamedPairsAreSparse) {
  expect_one(read_text("2,0,1.5\n0,3,-2\n"), "", coo<double>({3, 4}, {0, 3, 2, 0}, {-2, 1.5}));
  expect_one(read_text("\xef\xbb\xbfRow,\"Col\",Value\r\n0,0,1\r\n\r\n1,1,2"), "", coo<int64_t>({2, 2}, {0, 0, 1, 1}, {1, 2}));
  expect_one(read_text("x/dim0:5,x/dim1,x/dim2:9,x/value:float32\n1,2,3,4\n"), "x", coo<float>({5, 3, 9}, {1, 2, 3}, {4}));
  expect_one(read_text("1,1,7\n", {{"base", "1"}, {"shape", "3x4"}, {"dtype", "int8"}}), "", coo<int8_t>({3, 4}, {0, 0}, {7}));
  expect_one(read_text("1,1,7\n1,1,3\n", {{"duplicates", "sum"}}), "", coo<int64_t>({2, 2}, {1, 1}, {10}));
  expect_one(read_text("3\t7\n", {}, tsv::kFormat), "", coo<int64_t>({4}, {3}, {7}));
  expect_one(read_text("row,col,value\n"), "", coo<double>({0, 0}, {}, {}));
}

TEST(CsvPairsTest, NamesThePlaceOfEachFault) {
  EXPECT_EQ(fault("0,0,1\n0,-1,1\n"), "data_loss: at byte 8: line 2: found '-1' as the index of axis 1, expected 0 or more");
  EXPECT_EQ(fault("0,0,1\n0,5,1\n", {{"shape", "2x2"}}),
            "data_loss: at byte 8: line 2: found '5' as the index of axis 1, expected an index below the axis' length, 2");
  EXPECT_EQ(fault("0,0,1\n0,1\n"), "data_loss: at byte 6: line 2: a record of 2 fields, expected 3 as in the first record");
  EXPECT_EQ(fault("0.5,0,1\n"),
            "data_loss: at byte 0: line 1: found '0.5' as the index of axis 0, expected a whole number (these are pairs; use kind=table or "
            "kind=matrix if they are not)");
  EXPECT_EQ(fault("row,value\n0,\"1\n"), "data_loss: at byte 12: line 2: a quoted field is not closed before the end of the file");
  EXPECT_EQ(fault("row,value\n0,\"1\"x\n"),
            "data_loss: at byte 15: line 2: found 'x' after a closing quote, expected the delimiter or the end of the line");
  EXPECT_EQ(fault(""), "data_loss: at byte 0: the file is empty, expected at least a header");
  EXPECT_NE(fault("0,0,1\n0,0,1\n"), "read");
}

TEST(CsvTableTest, EachColumnIsATensorOfItsOwnDType) {
  const auto tensors = read_text("id,score,name,flag,big\n1,0.5,\"a \"\"b\"\",\nc\",true,18446744073709551615\n-2,,,false,0\n");
  ASSERT_TRUE(tensors.ok()) << tensors.status().to_string();
  TensorMap expected;
  ASSERT_TRUE(expected.add("id", DenseTensor::of<int64_t>({2}, {1, -2})).ok());
  ASSERT_TRUE(expected.add("score", DenseTensor::of<double>({2}, {0.5, std::numeric_limits<double>::quiet_NaN()})).ok());
  ASSERT_TRUE(expected.add("name", DenseTensor::of_strings({2}, {"a \"b\",\nc", ""})).ok());
  ASSERT_TRUE(expected.add("flag", DenseTensor::of<bool>({2}, {true, false})).ok());
  ASSERT_TRUE(expected.add("big", DenseTensor::of<uint64_t>({2}, {UINT64_MAX, 0})).ok());
  EXPECT_TRUE(identical(*tensors, expected));
  EXPECT_EQ(fault("a:int32,b\n1,x\n,y\n"), "data_loss: at byte 14: line 3: found nothing, expected a value of dtype int32");
}

TEST(CsvMatrixTest, IsOneTensor) {
  expect_one(read_text("1,2\n3,4\n", {{"kind", "matrix"}}), "", DenseTensor::of<int64_t>({2, 2}, {1, 2, 3, 4}));
  expect_one(read_text("1;2.5\n3;4\n", {{"kind", "matrix"}, {"delimiter", "semicolon"}}), "",
             DenseTensor::of<double>({2, 2}, {1, 2.5, 3, 4}));
  expect_one(read_text("a,b\n1,2\n", {{"kind", "matrix"}}), "", DenseTensor::of<int64_t>({1, 2}, {1, 2}));
  expect_one(read_text("m[0]:float32,m[1]\n1,2\n"), "m", DenseTensor::of<float>({1, 2}, {1, 2}));
  expect_one(read_text("1\n2\n"), "", DenseTensor::of<int64_t>({2, 1}, {1, 2}));
}

void expect_round_trip(const TensorMap& tensors, const Format& format = kFormat) {
  const auto text = to_bytes(tensors, format);
  ASSERT_TRUE(text.ok()) << text.status().to_string();
  const auto back = read_text(*text, {}, format);
  ASSERT_TRUE(back.ok()) << back.status().to_string() << "\n" << *text;
  EXPECT_TRUE(identical(tensors, *back)) << *text;
}

TensorMap of(std::string name, Tensor tensor) {
  TensorMap out;
  EXPECT_TRUE(out.add(std::move(name), std::move(tensor)).ok());
  return out;
}

TEST(CsvWriteTest, EverythingComesBack) {
  for (const Format* format : {&kFormat, &tsv::kFormat}) {
    expect_round_trip(of("", coo<double>({3, 4}, {0, 3, 2, 0}, {-2, 1e300})), *format);
    expect_round_trip(of("a/b c", coo<float>({9, 4, 2}, {0, 3, 0, 2, 0, 1}, {0.1f, 16777216.f})), *format);
    expect_round_trip(of("", coo<uint8_t>({7}, {}, {})), *format);
    expect_round_trip(of("x", coo<bool>({2, 2}, {1, 1}, {true})), *format);
    expect_round_trip(of("", DenseTensor::of<double>({2, 3}, {1, 2, 3, 4, 5, -0.0})), *format);
    expect_round_trip(of("m", DenseTensor::of<Half>({0, 3}, {})), *format);
    expect_round_trip(of("", DenseTensor::of<int16_t>({3}, {1, -2, 3})), *format);
    TensorMap table = of("12", DenseTensor::of_strings({3}, {"", "1", "tab\t\"comma, "}));
    ASSERT_TRUE(table.add("a,b", DenseTensor::of_strings({3}, {"1", "", "3"})).ok());
    ASSERT_TRUE(table.add("u", DenseTensor::of<uint64_t>({3}, {1, UINT64_MAX, 3})).ok());
    ASSERT_TRUE(table.add("small", DenseTensor::of<uint64_t>({3}, {1, 2, 3})).ok());
    ASSERT_TRUE(table.add("f", DenseTensor::of<double>({3}, {1, std::numeric_limits<double>::infinity(), 1e-320})).ok());
    expect_round_trip(table, *format);
  }
  expect_round_trip(of("7", DenseTensor::of<int64_t>({1}, {5})));
}

TEST(CsvWriteTest, WritesPlainNamesWhereNothingIsLost) {
  EXPECT_EQ(*to_bytes(of("", coo<double>({3, 4}, {0, 3, 2, 0}, {-2, 1.5})), kFormat), "row,col,value\n0,3,-2.0\n2,0,1.5\n");
  WriteOptions plain;
  plain.format.set("plain", "true");
  EXPECT_EQ(*to_bytes(of("", coo<float>({9, 9}, {0, 3}, {-2})), kFormat, plain), "row,col,value\n0,3,-2.0\n");
  EXPECT_EQ(*to_bytes(of("", coo<float>({9, 4}, {0, 3}, {-2})), kFormat), "row:9,col,value:float32\n0,3,-2.0\n");
}

TEST(CsvWriteTest, RefusesWhatHasNoPlace) {
  EXPECT_EQ(to_bytes(of("", DenseTensor::scalar<float>(1)), kFormat).status().code(), StatusCode::unsupported);
  TensorMap misleading = of("row", DenseTensor::of<int64_t>({1}, {5}));
  ASSERT_TRUE(misleading.add("value", DenseTensor::of<int64_t>({1}, {5})).ok());
  EXPECT_EQ(to_bytes(misleading, kFormat).status().code(), StatusCode::unsupported);
}

TEST(CsvReadTest, EveryPrefixIsRecordsOrAFault) {
  const std::string text = "row:9,col,value:float32\r\n0,3,-2.0\r\n\"1\",4,1e5\r\n";
  for (size_t size = 0; size <= text.size(); ++size) {
    const auto tensors = read_text(text.substr(0, size));
    EXPECT_TRUE(tensors.ok() || !tensors.status().message().empty()) << size;
  }
}

}  // namespace
}  // namespace ferry::csv
