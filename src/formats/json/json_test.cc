#include "formats/json/json.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "ferry/format.h"

namespace ferry::json {
namespace {

std::string print(const TensorMap& map, bool plain = false) {
  std::string out;
  const Status status = print_tensors(map, {plain}, *memory_sink(out));
  return status.ok() ? out : status.to_string();
}
Tensor value(std::string_view text) {
  const auto map = parse_tensors(text);
  EXPECT_TRUE(map.ok()) << text << map.status().to_string();
  return map.ok() ? (*map)[0].tensor : Tensor();
}
std::string error_of(std::string_view text) {
  const auto map = parse_tensors(text);
  return map.ok() ? "ok" : map.status().to_string();
}
bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }
Tensor coo(Shape shape, std::initializer_list<int64_t> indices, DenseTensor values) {
  const Shape index_shape{values.num_elements(), static_cast<int64_t>(shape.rank())};
  return *SparseTensor::coo(std::move(shape), DenseTensor::of<int64_t>(index_shape, indices), std::move(values));
}
void round_trip(const TensorMap& map) {
  const std::string text = print(map);
  const auto back = parse_tensors(text);
  ASSERT_TRUE(back.ok()) << text << back.status().to_string();
  EXPECT_TRUE(identical(*back, map)) << text << print(*back);
  EXPECT_EQ(back->metadata, map.metadata) << text;
  for (size_t i = 0; i < map.size(); ++i) EXPECT_EQ((*back)[i].metadata, map[i].metadata) << text;
}
void round_trip(const Tensor& tensor) {
  for (const char* name : {"", "x", "inputs", "values", "dtype", "b64"}) {
    TensorMap map;
    ASSERT_TRUE(map.add(name, tensor).ok());
    round_trip(map);
    map[0].metadata.set("k", "v");
    round_trip(map);
    map.metadata.set("a", "b\xff");
    round_trip(map);
    ASSERT_TRUE(map.add("shape", tensor).ok());
    round_trip(map);
  }
}

TEST(Json, ValuesOfTensorFlowServingBecomeTensors) {
  EXPECT_TRUE(identical(value("[[1, 2], [3, 4]]"), Tensor(DenseTensor::of<int64_t>(Shape{2, 2}, {1, 2, 3, 4}))));
  EXPECT_TRUE(identical(value("[1, 2.5, -3e2]"), Tensor(DenseTensor::of<float>(Shape{3}, {1, 2.5f, -300}))));
  EXPECT_TRUE(identical(value("2.0"), Tensor(DenseTensor::scalar(2.0f))));
  EXPECT_TRUE(identical(value(" [true, false] "), Tensor(DenseTensor::of<bool>(Shape{2}, {true, false}))));
  EXPECT_TRUE(identical(value(R"(["a", {"b64": "AP8="}, "\u00e9\ud83d\ude00"])"),
                        Tensor(DenseTensor::of_strings(Shape{3}, {"a", std::string_view("\0\xff", 2), "\xc3\xa9\xf0\x9f\x98\x80"}))));
  EXPECT_TRUE(identical(value("[NaN, Infinity, -Inf]"),
                        Tensor(DenseTensor::of<float>(Shape{3}, {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY}))));
  EXPECT_TRUE(identical(value("[18446744073709551615, 1]"), Tensor(DenseTensor::of<uint64_t>(Shape{2}, {UINT64_MAX, 1}))));
  EXPECT_TRUE(identical(value("[]"), Tensor(DenseTensor())));
  EXPECT_TRUE(identical(value("[[], []]"), Tensor(DenseTensor::of<float>(Shape{2, 0}, std::span<const float>()))));
}

TEST(Json, TheJsonOfTheFirstQuestionIsASparseTensor) {
  const auto map = parse_tensors(R"({"sparse_input": {"indices": [[0,0],[1,2],[2,3]], "values": [1,2,3], "dense_shape": [3,4]}})");
  ASSERT_TRUE(map.ok()) << map.status().to_string();
  EXPECT_EQ((*map)[0].name, "sparse_input");
  EXPECT_TRUE(identical((*map)[0].tensor, coo(Shape{3, 4}, {0, 0, 1, 2, 2, 3}, DenseTensor::of<int64_t>(Shape{3}, {1, 2, 3}))));
}

TEST(Json, ListsOfDifferentLengthsAreRagged) {
  const auto ragged = std::get<RaggedTensor>(value("[[1, 2], [], [3]]"));
  EXPECT_EQ(ragged.shape(), (Shape{3, -1}));
  EXPECT_TRUE(std::ranges::equal(ragged.row_splits(0).values<int64_t>(), std::vector<int64_t>{0, 2, 2, 3}));
  const auto deep = std::get<RaggedTensor>(value("[[[1, 2], [3, 4]], [[5, 6]]]"));
  EXPECT_EQ(deep.shape(), (Shape{2, -1, 2}));
  const auto nested = std::get<RaggedTensor>(value("[[[1], [2, 3]], [[4], [5]]]"));
  EXPECT_EQ(nested.ragged_rank(), 2u);
  EXPECT_TRUE(nested.validate(Validation::bounds).ok());
}

TEST(Json, ObjectsSpellCompositeTensors) {
  const auto csr =
      std::get<SparseTensor>(value(R"({"indptr": [0, 1, 2], "indices": [2, 0], "values": [1.5, 2.5], "dense_shape": [2, 3]})"));
  EXPECT_EQ(csr.layout(), Layout::csr);
  const auto ragged = std::get<RaggedTensor>(value(R"({"row_splits": [[0, 1, 2], [0, 2, 3]], "values": [1, 2, 3]})"));
  EXPECT_EQ(ragged.ragged_rank(), 2u);
  const auto named = std::get<RaggedTensor>(value(R"({"row_splits_1": [0, 2, 3, 3], "row_splits_0": [0, 1, 3], "values": [1, 2, 3]})"));
  EXPECT_EQ(named.rows(), 2);
  const auto late = std::get<DenseTensor>(value(R"({"values": [[1, 2]], "dtype": "bfloat16"})"));
  EXPECT_EQ(late.dtype(), DType::bfloat16);
  EXPECT_EQ(late.shape(), (Shape{1, 2}));
  EXPECT_TRUE(identical(value(R"({"indices": [], "values": [], "dense_shape": [3, 4]})"), coo(Shape{3, 4}, {}, DenseTensor())));
  EXPECT_TRUE(identical(value(R"({"indices": [3, 1], "values": [1, 2], "dense_shape": [4]})"),
                        coo(Shape{4}, {3, 1}, DenseTensor::of<int64_t>(Shape{2}, {1, 2}))));
}

TEST(Json, RequestBodiesAreRead) {
  const auto inputs =
      parse_tensors(R"({"signature_name": "s", "inputs": {"x": [1.0], "y": {"indices": [[0]], "values": ["a"], "dense_shape": [2]}}})");
  ASSERT_TRUE(inputs.ok()) << inputs.status().to_string();
  EXPECT_EQ(inputs->size(), 2u);
  EXPECT_EQ(*inputs->metadata.find("signature_name"), "s");
  const auto rows = parse_tensors(R"({"instances": [
      {"s": {"indices": [[1]], "values": [5], "dense_shape": [9]}, "d": [1.0, 2.0], "r": [1], "t": "a"},
      {"d": [3.0, 4.0], "s": {"indices": [[0], [2]], "values": [6, 7], "dense_shape": [9]}, "r": [], "t": {"b64": "Yg=="}}]})");
  ASSERT_TRUE(rows.ok()) << rows.status().to_string();
  EXPECT_TRUE(identical(rows->find("s")->tensor, coo(Shape{2, 9}, {0, 1, 1, 0, 1, 2}, DenseTensor::of<int64_t>(Shape{3}, {5, 6, 7}))));
  EXPECT_TRUE(identical(rows->find("d")->tensor, Tensor(DenseTensor::of<float>(Shape{2, 2}, {1, 2, 3, 4}))));
  EXPECT_EQ(kind_of(rows->find("r")->tensor), TensorKind::ragged);
  EXPECT_TRUE(identical(rows->find("t")->tensor, Tensor(DenseTensor::of_strings(Shape{2}, {"a", "b"}))));
  EXPECT_TRUE(identical(value(R"({"instances": [[1.0], [2.0]]})"), Tensor(DenseTensor::of<float>(Shape{2, 1}, {1, 2}))));
  EXPECT_TRUE(identical(value(R"({"instances": [{"b64": "YQ=="}, "b"]})"), Tensor(DenseTensor::of_strings(Shape{2}, {"a", "b"}))));
  EXPECT_EQ(
      shape_of(value(
          R"({"instances": [{"values": [1, 2], "indices": [0, 1], "dense_shape": [2]}, {"values": [], "indices": [], "dense_shape": [3], "dtype": "int64"}]})")),
      (Shape{2, 3}));
  const auto plain = parse_tensors(R"({"inputs": [1], "targets": [2]})");
  EXPECT_EQ(plain->size(), 2u);
}

TEST(Json, EveryDtypeRoundTripsExactly) {
  for (DType dtype : kAllDTypes) {
    if (dtype == DType::resource || dtype == DType::variant || dtype == DType::string) continue;
    const size_t size = dtype_size(dtype);
    for (const Shape& shape : {Shape{}, Shape{4}, Shape{2, 2}, Shape{0, 3}, Shape{3, 0}, Shape{0}, Shape{2, 0, 3}}) {
      const auto count = static_cast<size_t>(*shape.num_elements());
      MutableBuffer data = *MutableBuffer::zeroed(count * size);
      for (size_t i = 0; i < data.size(); ++i) data.data()[i] = static_cast<std::byte>(dtype == DType::bool_ ? i % 2 : i * 89 + 3);
      round_trip(*DenseTensor::make(dtype, shape, std::move(data).freeze()));
    }
    // Every byte, so every value of the small types, and NaNs with payloads.
    if (dtype == DType::bool_) continue;
    MutableBuffer all = *MutableBuffer::zeroed(256 * size);
    for (size_t i = 0; i < all.size(); ++i) all.data()[i] = static_cast<std::byte>(i * 37 + i / 256 * 5);
    const DenseTensor values = *DenseTensor::make(dtype, Shape{256}, std::move(all).freeze());
    round_trip(values);
    std::vector<int64_t> at(256);
    for (size_t i = 0; i < 256; ++i) at[i] = static_cast<int64_t>(i);
    round_trip(*SparseTensor::coo(Shape{256}, DenseTensor::of<int64_t>(Shape{256, 1}, at), values));
    round_trip(*RaggedTensor::make({DenseTensor::of<int32_t>(Shape{3}, {0, 1, 128})}, *values.reshaped(Shape{128, 2})));
  }
  round_trip(DenseTensor::of_strings(Shape{2, 2}, {"a", "\xff", "", "\"\\\n\x01"}));
  round_trip(DenseTensor::of_strings(Shape{0, 2}, std::initializer_list<std::string_view>{}));
  round_trip(DenseTensor::of_strings(Shape{}, {"scalar"}));
  round_trip(DenseTensor::scalar(-0.0f));
  round_trip(DenseTensor::scalar(std::bit_cast<float>(0xffc00001u)));
}

TEST(Json, EveryKindRoundTripsExactly) {
  const DenseTensor values = DenseTensor::of<double>(Shape{2}, {0.1, 1e300});
  for (DType index : {DType::int32, DType::int64}) {
    const auto ints = [&](std::vector<int64_t> v) {
      if (index == DType::int64) return DenseTensor::vector<int64_t>(v);
      return DenseTensor::vector<int32_t>(std::vector<int32_t>(v.begin(), v.end()));
    };
    round_trip(*SparseTensor::csr(Shape{2, 3}, ints({0, 1, 2}), ints({2, 0}), values));
    round_trip(*SparseTensor::csc(Shape{3, 2}, ints({0, 1, 2}), ints({2, 0}), values));
    round_trip(*RaggedTensor::make({ints({0, 1, 2}), ints({0, 2, 2})}, values));
    round_trip(*RaggedTensor::make({ints({0})}, DenseTensor::of<float>(Shape{0, 3}, std::span<const float>())));
    round_trip(*RaggedTensor::make({ints({0, 0}), ints({0})}, DenseTensor()));
  }
  round_trip(coo(Shape{}, {}, DenseTensor::of<float>(Shape{1}, {2})));
  round_trip(coo(Shape{}, {}, DenseTensor()));
  round_trip(coo(Shape{0, 5}, {}, DenseTensor::of_strings(Shape{0}, std::initializer_list<std::string_view>{})));
  round_trip(TensorMap());
}

TEST(Json, ListsOfEveryLengthAreWrittenAsTheirNumbersAre) {
  std::mt19937 random(3);
  for (const int64_t columns : {1, 2, 3, 63, 64, 65, 1024, 3000}) {
    const int64_t rows = columns < 100 ? 70 : 3;
    std::vector<float> values;
    std::string expected = "[";
    for (int64_t i = 0; i < rows * columns; ++i) {
      const auto bits = static_cast<uint32_t>(random());
      float value = i % 3 == 0   ? std::bit_cast<float>(bits)
                    : i % 3 == 1 ? static_cast<float>(bits % 1000) / 8
                                 : static_cast<float>(bits) * -1e-9f;
      if (!std::isfinite(value)) value = i % 2 == 0 ? INFINITY : std::numeric_limits<float>::quiet_NaN();
      values.push_back(value);
      expected += i == 0 ? "[" : i % columns == 0 ? "], [" : ", ";
      append_float(expected, value);
    }
    expected += "]]\n";
    TensorMap map;
    ASSERT_TRUE(map.add("", DenseTensor::of<float>(Shape{rows, columns}, values)).ok());
    EXPECT_EQ(print(map), expected) << columns;
    EXPECT_TRUE(identical(*parse_tensors(expected), map));
  }
}

TEST(Json, PrintsNumbersAsTensorFlowServing) {
  TensorMap map;
  ASSERT_TRUE(map.add("", DenseTensor::of<float>(Shape{4}, {1, 0.5f, -0.0f, 1e20f})).ok());
  EXPECT_EQ(print(map, true), "[1.0, 0.5, -0.0, 1e+20]\n");
}

TEST(Json, BadTextIsNamedWithItsByte) {
  EXPECT_TRUE(has(error_of(""), "empty"));
  EXPECT_TRUE(has(error_of("[1, 2"), "at byte 5: the JSON text ends here, expected , or ]"));
  EXPECT_TRUE(has(error_of("[1 2]"), "at byte 3: found '2', expected , or ]"));
  EXPECT_TRUE(has(error_of("[1,]"), "at byte 3"));
  EXPECT_TRUE(has(error_of("[01]"), "no number"));
  EXPECT_TRUE(has(error_of("[1.]"), "no number"));
  EXPECT_TRUE(has(error_of("[-]"), "no number"));
  EXPECT_TRUE(has(error_of("[+1]"), "found '+'"));
  EXPECT_TRUE(has(error_of("[1] x"), "at byte 4: found 'x', expected the end"));
  EXPECT_TRUE(has(error_of("[null]"), "null is no value"));
  EXPECT_TRUE(has(error_of("[1, \"a\"]"), "a string stands among values of numbers"));
  EXPECT_TRUE(has(error_of("[1, true]"), "all values of a tensor are of one dtype"));
  EXPECT_TRUE(has(error_of("[1, [2]]"), "a list stands where values stand"));
  EXPECT_TRUE(has(error_of("[[1], 2]"), "a value stands where a list stands"));
  EXPECT_TRUE(has(error_of("[\"\xff\"]"), "at byte 2: a string is not UTF-8"));
  EXPECT_TRUE(has(error_of("[\"\\ud800\"]"), "no escape"));
  EXPECT_TRUE(has(error_of("[\"\n\"]"), "control byte 10"));
  EXPECT_TRUE(has(error_of("{\"a\": 1, \"a\": 2}"), "stands twice"));
  EXPECT_TRUE(has(error_of("[1e999]"), "too large for float32"));
  EXPECT_TRUE(has(error_of("[123456789012345678901234567890]"), "does not fit uint64"));
  EXPECT_TRUE(has(error_of(R"({"b64": "a"})"), "not base64"));
  EXPECT_TRUE(has(error_of(R"({"x": {"indices": [[0, 9]], "values": [1], "dense_shape": [3, 4]}})"), "outside shape [3, 4]"));
  EXPECT_TRUE(has(error_of(R"({"x": {"foo": 1}})"), "spells no tensor"));
  EXPECT_TRUE(has(error_of(R"({"dtype": "int8", "values": [128]})"), "does not fit int8"));
  EXPECT_TRUE(has(error_of(R"({"dtype": "int8", "values": [1.5]})"), "not written as an integer"));
  EXPECT_TRUE(has(error_of(R"({"dtype": "float31", "values": [1]})"), "no dtype"));
  EXPECT_TRUE(has(error_of(R"({"dtype": "int8", "shape": [3], "values": [1]})"), "are given for shape [3]"));
  EXPECT_TRUE(has(error_of(std::string(200, '[')), "nested deeper than 100"));
  EXPECT_TRUE(has(error_of(R"({"instances": []})"), "no row"));
  EXPECT_TRUE(has(error_of(R"({"instances": [{"x": 1}, {"y": 1}]})"), "which the rows before it have not"));
  EXPECT_TRUE(has(error_of(R"({"instances": [{"x": 1}, 2]})"), "plain value"));
}

TEST(Json, EveryPrefixIsAnError) {
  const std::string text =
      R"({"x": {"indices": [[0, 0]], "values": [1.5], "dense_shape": [3, 4]}, "instances": [1, 2], "s": ["a", {"b64": "YQ=="}]})";
  EXPECT_EQ(error_of(text), "ok");
  for (size_t cut = 0; cut < text.size(); ++cut) EXPECT_NE(error_of(text.substr(0, cut)), "ok") << cut;
}

}  // namespace
}  // namespace ferry::json
