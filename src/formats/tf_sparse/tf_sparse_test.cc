#include "formats/tf_sparse/tf_sparse.h"

#include <gtest/gtest.h>

#include "ferry/format.h"
#include "ferry/sparse.h"
#include "formats/tensorproto/tensorproto.h"

namespace ferry::tf_sparse {
namespace {

std::string to_hex(std::string_view bytes) {
  std::string out;
  for (char c : bytes) {
    out += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4];
    out += "0123456789abcdef"[c & 15];
  }
  return out;
}

SparseTensor coo(Shape shape, std::initializer_list<int64_t> indices, DenseTensor values) {
  const auto count = values.num_elements();
  const auto rank = static_cast<int64_t>(shape.rank());
  return *SparseTensor::coo(std::move(shape), DenseTensor::of<int64_t>(Shape{count, rank}, indices), std::move(values));
}
SparseTensor floats(Shape shape, std::initializer_list<int64_t> indices, std::initializer_list<float> values) {
  return coo(std::move(shape), indices, DenseTensor::of<float>(Shape{static_cast<int64_t>(values.size())}, values));
}

std::string bytes_of(const DenseTensor& strings) {
  std::string out;
  EXPECT_TRUE(tensorproto::encode(out, strings).ok());
  return to_hex(out);
}

// Bytes from TensorFlow 2.21: tf.io.serialize_tensor(tf.io.serialize_sparse(…)) and of many.
TEST(TfSparse, WritesTheBytesOfTensorFlow) {
  const SparseTensor strings = coo(Shape{3, 4}, {0, 1, 2, 0}, DenseTensor::of_strings(Shape{2}, {"a", "bb"}));
  EXPECT_EQ(bytes_of(*serialize(strings)),
            "0807120412020803422e08091208120208021202080222200000000000000000010000000000000002000000000000000000000000000000420f0807120412"
            "02080222"
            "050102616262421a0809120412020802221003000000000000000400000000000000");
  EXPECT_EQ(bytes_of(*serialize_many(strings)),
            "080712081202080312020803421608091208120208011202080122080100000000000000420c08071204120208012202016142120809120412020801220804"
            "00000000"
            "000000420a08091206120012020801420608071202120042120809120412020801220804000000000000004216080912081202080112020801220800000000"
            "00000000"
            "420d080712041202080122030262624212080912041202080122080400000000000000");
  EXPECT_EQ(
      bytes_of(*serialize_many(floats(Shape{3, 4}, {0, 1, 2, 0}, {1, 2}))),
      "080712081202080312020803421608091208120208011202080122080100000000000000420e080112041202080122040000803f4212080912041202080122080400"
      "00"
      "0000000000420a0809120612001202080142060801120212004212080912041202080122080400000000000000421608091208120208011202080122080000000000"
      "000000420e08011204120208012204000000404212080912041202080122080400000000000000");
  EXPECT_EQ(bytes_of(*serialize_many(floats(Shape{0, 4}, {}, {}))), "08071206120012020803");
}

TEST(TfSparse, ReadsBackEveryRankAndDtype) {
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{3, 4}, Shape{2, 3, 4}, Shape{1, 2, 1, 2, 3, 4, 5}}) {
    for (DType dtype : kAllDTypes) {
      if (dtype == DType::resource || dtype == DType::variant) continue;
      std::vector<int64_t> origin(shape.rank(), 0);
      const DenseTensor indices = DenseTensor::of<int64_t>(Shape{1, static_cast<int64_t>(shape.rank())}, origin);
      DenseTensor values = DenseTensor::of_strings(Shape{1}, {"text"});
      if (dtype != DType::string) {
        MutableBuffer one = *MutableBuffer::zeroed(dtype_size(dtype));
        one.data()[0] = std::byte{1};
        values = *DenseTensor::make(dtype, Shape{1}, std::move(one).freeze());
      }
      const SparseTensor x = *SparseTensor::coo(shape, indices, values);
      const auto back = deserialize(*serialize(x));
      ASSERT_TRUE(back.ok()) << back.status().to_string();
      EXPECT_TRUE(identical(Tensor(*back), Tensor(x))) << dtype_name(dtype);
      if (shape.rank() < 2) continue;
      const auto many = deserialize_many(*serialize_many(x));
      ASSERT_TRUE(many.ok()) << many.status().to_string();
      EXPECT_TRUE(identical(Tensor(*many), Tensor(x))) << dtype_name(dtype) << shape.to_string();
    }
  }
}

TEST(TfSparse, RowsOfDifferentShapesTakeTheMaximum) {
  const auto b = *serialize_parts(floats(Shape{5, 4}, {2, 1, 0, 3}, {1, 2}));
  const auto c = *serialize_parts(floats(Shape{3, 9}, {2, 1}, {1}));
  const auto many = deserialize_many(std::vector<std::string_view>{b[0], b[1], b[2], c[0], c[1], c[2]});
  ASSERT_TRUE(many.ok()) << many.status().to_string();
  EXPECT_TRUE(identical(Tensor(*many), Tensor(floats(Shape{2, 5, 9}, {0, 2, 1, 0, 0, 3, 1, 2, 1}, {1, 2, 1}))));
  const auto square =
      deserialize(DenseTensor::of_strings(Shape{2, 2, 3}, {b[0], b[1], b[2], c[0], c[1], c[2], c[0], c[1], c[2], b[0], b[1], b[2]}));
  ASSERT_TRUE(square.ok()) << square.status().to_string();
  EXPECT_TRUE(identical(
      Tensor(*square),
      Tensor(floats(Shape{2, 2, 5, 9}, {0, 0, 2, 1, 0, 0, 0, 3, 0, 1, 2, 1, 1, 0, 2, 1, 1, 1, 2, 1, 1, 1, 0, 3}, {1, 2, 1, 1, 1, 2}))));
}

TEST(TfSparse, WhatTensorFlowRefusesIsNamed) {
  const auto message = [](const auto& result) { return result.ok() ? std::string("ok") : result.status().to_string(); };
  const auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(has(message(serialize_many(floats(Shape{3, 4}, {2, 1, 0, 0}, {1, 2}))), "entry 1 at [0, 0] is out of order"));
  EXPECT_TRUE(has(message(serialize_many(floats(Shape{3, 4}, {2, 1, 2, 1}, {1, 2}))), "entry 1 repeats the coordinate [2, 1]"));
  EXPECT_TRUE(has(message(serialize_many(floats(Shape{3, 4}, {2, 1, 2, 7}, {1, 2}))), "outside shape [3, 4]"));
  EXPECT_TRUE(has(message(serialize_many(floats(Shape{3, 4}, {2, 1, 3, 0}, {1, 2}))), "outside shape [3, 4]"));
  EXPECT_TRUE(has(message(serialize_many(floats(Shape{3, 4}, {0, -1}, {1}))), "outside shape [3, 4]"));
  EXPECT_TRUE(has(message(serialize_many(floats(Shape{3, 4}, {-1, 0}, {1}))), "outside shape [3, 4]"));
  EXPECT_TRUE(has(message(serialize_many(floats(Shape{0, 4}, {0, 0}, {1}))), "outside shape [0, 4]"));
  EXPECT_TRUE(has(message(serialize_many(floats(Shape{3, 4}, {1, 2, 1, 1}, {1, 2}))), "entry 1 at [1, 1] is out of order"));
  EXPECT_TRUE(has(message(serialize_many(floats(Shape{3, 2, 2}, {1, 1, 1, 1, 1, 1}, {1, 2}))), "entry 1 repeats"));
  EXPECT_TRUE(has(message(serialize_many(floats(Shape{3}, {2}, {1}))), "needs rank 2"));
  const auto matrix = *serialize_parts(floats(Shape{5, 4}, {2, 1}, {1}));
  const auto vector = *serialize_parts(floats(Shape{5}, {2}, {1}));
  const auto ints = *serialize_parts(coo(Shape{5, 4}, {2, 1}, DenseTensor::of<int32_t>(Shape{1}, {1})));
  const auto outside = *serialize_parts(floats(Shape{3, 4}, {0, 9}, {1}));
  using Strings = std::vector<std::string_view>;
  EXPECT_TRUE(
      has(message(deserialize_many(Strings{matrix[0], matrix[1], matrix[2], vector[0], vector[1], vector[2]})), "rank 1, expected 2"));
  EXPECT_TRUE(has(message(deserialize_many(Strings{matrix[0], matrix[1], matrix[2], ints[0], ints[1], ints[2]})),
                  "found int32 of shape [1], expected float32"));
  EXPECT_TRUE(has(message(deserialize_many(Strings{matrix[0], matrix[1], vector[2]})), "expected [1, 1]"));
  EXPECT_TRUE(has(message(deserialize_many(Strings{matrix[0], matrix[2], matrix[1]})), "expected an int64 vector"));
  EXPECT_TRUE(has(message(deserialize_many(Strings{matrix[0], matrix[1], matrix[2].substr(0, 7)})), "serialized tensor 0, shape: at byte"));
  EXPECT_TRUE(has(message(deserialize_many(Strings{})), "hold no tensor"));
  EXPECT_TRUE(has(message(deserialize_many(Strings{matrix[0], matrix[1]})), "strings are given"));
  EXPECT_TRUE(has(message(deserialize(DenseTensor::of_strings(Shape{4}, {"", "", "", ""}))), "found [4]"));
  EXPECT_TRUE(has(message(deserialize({outside[0], outside[1], outside[2]})), "outside shape [3, 4]"));
  EXPECT_TRUE(deserialize({outside[0], outside[1], outside[2]}, {}, Validation::trust).ok());
  for (const int64_t column : {int64_t{4}, int64_t{-1}, INT64_MIN}) {
    const auto parts = *serialize_parts(floats(Shape{4}, {column}, {1}));
    EXPECT_TRUE(has(message(deserialize_many(Strings{parts[0], parts[1], parts[2]})), "outside shape [1, 4]")) << column;
    EXPECT_TRUE(deserialize_many(Strings{parts[0], parts[1], parts[2]}, {}, Validation::trust).ok());
  }
}

TEST(TfSparse, FilesRoundTripAndAreRecognised) {
  TensorMap map;
  ASSERT_TRUE(map.add("", floats(Shape{3, 4}, {0, 1, 2, 0}, {1, 2})).ok());
  for (std::string_view many : {"true", "false"}) {
    WriteOptions options;
    options.format.set("many", std::string(many));
    const auto bytes = to_bytes(map, *find_format("tf_sparse"), options);
    ASSERT_TRUE(bytes.ok()) << bytes.status().to_string();
    const auto source = memory_source(*Buffer::copy_of(*bytes));
    EXPECT_EQ((*detect_format(*source))->id, "tf_sparse");
    const auto back = read_tensors(source);
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    EXPECT_TRUE(identical(*back, map));
    for (size_t cut = 0; cut < bytes->size(); ++cut) {
      EXPECT_FALSE(read_tensors(memory_source(*Buffer::copy_of(bytes->substr(0, cut))), find_format("tf_sparse")).ok()) << cut;
    }
  }
}

}  // namespace
}  // namespace ferry::tf_sparse
