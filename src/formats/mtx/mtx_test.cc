#include <complex>
#include <limits>
#include <string>

#include "ferry/format.h"
#include "ferry/sparse.h"
#include "gtest/gtest.h"

namespace ferry::mtx {
extern const Format kFormat;
namespace {

Result<TensorMap> read_text(std::string_view text, ThreadPool* pool = nullptr) {
  ReadOptions options;
  options.pool = pool;
  return read_tensors(memory_source(*Buffer::copy_of(text)), &kFormat, options);
}

// "%%MatrixMarket matrix " and the rest.
Result<TensorMap> read_matrix(std::string_view rest, ThreadPool* pool = nullptr) {
  return read_text(concat("%%MatrixMarket matrix ", rest), pool);
}

std::string fault(std::string_view rest) {
  const auto tensors = read_matrix(rest);
  return tensors.ok() ? "read" : tensors.status().to_string();
}

template <class T>
void expect_coo(const Result<TensorMap>& tensors, Shape shape, std::initializer_list<int64_t> indices, std::initializer_list<T> values) {
  ASSERT_TRUE(tensors.ok()) << tensors.status().to_string();
  const auto count = static_cast<int64_t>(values.size());
  const auto rank = static_cast<int64_t>(shape.rank());
  const auto expected = SparseTensor::coo(shape, DenseTensor::of<int64_t>({count, rank}, indices), DenseTensor::of<T>({count}, values));
  ASSERT_TRUE(expected.ok()) << expected.status().to_string();
  EXPECT_TRUE(identical((*tensors)[0].tensor, *expected));
}

template <class T>
void expect_dense(const Result<TensorMap>& tensors, Shape shape, std::initializer_list<T> values) {
  ASSERT_TRUE(tensors.ok()) << tensors.status().to_string();
  EXPECT_TRUE(identical((*tensors)[0].tensor, DenseTensor::of<T>(shape, values)));
}

TEST(MtxReadTest, ReadsEveryFieldInFileOrder) {
  expect_coo<double>(read_matrix("coordinate real general\n% words\n\n3 4 2\n3 1 1.5\n%\n\n1 4 -inf"), {3, 4}, {2, 0, 0, 3},
                     {1.5, -std::numeric_limits<double>::infinity()});
  expect_coo<double>(read_text("%%matrixmarket MATRIX Coordinate DOUBLE General\r\n1 1 1\r\n1 1 2\r\n"), {1, 1}, {0, 0}, {2});
  expect_coo<int64_t>(read_matrix("coordinate integer general\n1 1 1\n1 1 -9223372036854775808\n"), {1, 1}, {0, 0}, {INT64_MIN});
  expect_coo<uint64_t>(read_matrix("coordinate unsigned-integer general\n1 1 1\n1 1 18446744073709551615\n"), {1, 1}, {0, 0}, {UINT64_MAX});
  expect_coo<std::complex<double>>(read_matrix("coordinate complex general\n1 1 1\n1 1 1 -2\n"), {1, 1}, {0, 0}, {{1, -2}});
  const auto pattern = read_matrix("coordinate pattern general\n2 2 2\n2 1\n1 2\n");
  expect_coo<double>(pattern, {2, 2}, {1, 0, 0, 1}, {1, 1});
  EXPECT_EQ(*(*pattern)[0].metadata.find("field"), "pattern");
  EXPECT_EQ(std::get<SparseTensor>((*pattern)[0].tensor).order(), (Order{false, false}));
  expect_coo<double>(read_matrix("coordinate real general\n5 0 0\n"), {5, 0}, {}, {});
}

TEST(MtxReadTest, ExpandsSymmetries) {
  expect_coo<double>(read_matrix("coordinate real symmetric\n3 3 2\n3 1 5\n2 2 7\n"), {3, 3}, {2, 0, 1, 1, 0, 2}, {5, 7, 5});
  expect_coo<int64_t>(read_matrix("coordinate integer skew-symmetric\n3 3 1\n3 1 5\n"), {3, 3}, {2, 0, 0, 2}, {5, -5});
  expect_coo<std::complex<double>>(read_matrix("coordinate complex hermitian\n2 2 1\n2 1 1 2\n"), {2, 2}, {1, 0, 0, 1}, {{1, 2}, {1, -2}});
  expect_dense<double>(read_matrix("array real symmetric\n2 2\n1\n2\n3\n"), {2, 2}, {1, 2, 2, 3});
  expect_dense<int64_t>(read_matrix("array integer skew-symmetric\n3 3\n1\n2\n3\n"), {3, 3}, {0, -1, -2, 1, 0, -3, 2, 3, 0});
}

TEST(MtxReadTest, ArraysComeInRowOrder) {
  expect_dense<double>(read_matrix("array real general\n2 3\n1\n2\n3\n4\n5\n6\n"), {2, 3}, {1, 3, 5, 2, 4, 6});
  expect_dense<double>(read_matrix("array real general\n0 3\n"), {0, 3}, {});
  expect_dense<int64_t>(read_text("%%MatrixMarket vector array integer general\n2\n1\n2\n"), {2}, {1, 2});
  expect_coo<double>(read_text("%%MatrixMarket vector coordinate real\n9 1\n4 .5\n"), {9}, {3}, {0.5});
}

TEST(MtxReadTest, FortranExponentsCount) {
  expect_coo<double>(read_matrix("coordinate real general\n1 2 2\n1 1 1.5D+02\n1 2 2d-1\n"), {1, 2}, {0, 0, 0, 1}, {150, 0.2});
}

TEST(MtxReadTest, NamesThePlaceOfEachFault) {
  EXPECT_EQ(fault("coordinate real general\n2 2 1\n3 1 1\n"), "data_loss: at byte 52: line 3: row 3 is not between 1 and 2");
  EXPECT_EQ(fault("coordinate real general\n2 2 1\n1 0 1\n"), "data_loss: at byte 54: line 3: column 0 is not between 1 and 2");
  EXPECT_EQ(fault("coordinate real general\n2 2 1\n1 1\n"),
            "data_loss: at byte 55: line 3: found the end of the line as a value, expected a number of field real");
  EXPECT_EQ(fault("coordinate integer general\n2 2 1\n1 1 1.5\n"),
            "data_loss: at byte 59: line 3: found '1.5' as a value, expected a number of field integer");
  EXPECT_EQ(fault("coordinate real general\n2 2 1\n1 1 1 1\n"), "data_loss: at byte 58: line 3: found '1', expected the end of the line");
  EXPECT_EQ(fault("coordinate real general\n2 2 1\n1 1 1\n2 2 2\n"), "data_loss: at byte 58: line 4: more than the 1 announced entries");
  EXPECT_EQ(fault("coordinate real general\n2 2 2\n1 1 1.00000\n"),
            "data_loss: at byte 64: line 4: the file ends after 1 of 2 announced entries");
  EXPECT_EQ(fault("coordinate real general\n9999999999 9999999999 9999999999\n1 1 1\n"),
            "data_loss: at byte 78: 9999999999 entries are announced, the 7 bytes that remain hold at most 2");
  EXPECT_EQ(fault("coordinate real hermitian\n1 1 0\n"),
            "data_loss: at byte 38: line 1: found 'hermitian', expected hermitian with a complex field only");
  EXPECT_EQ(fault("coordinate real symmetric\n1 2 0\n"),
            "data_loss: at byte 53: line 2: a symmetric matrix of 1 rows and 2 columns is not square");
  EXPECT_EQ(fault("table real general\n"), "data_loss: at byte 22: line 1: found 'table', expected coordinate or array");
  EXPECT_EQ(fault("coordinate real general\n"), "data_loss: at byte 46: the file ends before the line of sizes");
  EXPECT_EQ(fault("array real general\n99999999999 99999999999\n"),
            "data_loss: at byte 64: line 2: the array has more elements than 63 bits can count");
}

template <class T>
TensorMap of(T tensor) {
  TensorMap out;
  EXPECT_TRUE(out.add("", std::move(tensor)).ok());
  return out;
}

void expect_round_trip(const TensorMap& tensors) {
  const auto text = to_bytes(tensors, kFormat);
  ASSERT_TRUE(text.ok()) << text.status().to_string();
  const auto back = read_text(*text);
  ASSERT_TRUE(back.ok()) << back.status().to_string() << "\n" << *text;
  EXPECT_TRUE(identical(tensors, *back)) << *text;
}

TEST(MtxWriteTest, EverythingComesBack) {
  const auto coo =
      SparseTensor::coo({3, 4}, DenseTensor::of<int64_t>({3, 2}, {2, 0, 0, 3, 2, 0}), DenseTensor::of<float>({3}, {0.1f, -0.0f, 1e-45f}));
  expect_round_trip(of(*coo));
  const auto row_vector =
      SparseTensor::coo({5}, DenseTensor::of<int64_t>({1, 1}, {3}), DenseTensor::of<std::complex<float>>({1}, {{0.1f, 2}}));
  expect_round_trip(of(*row_vector));
  for (const DType index : {DType::int32, DType::int64}) {
    for (const Layout layout : {Layout::csr, Layout::csc}) {
      const auto x = to_layout(*sort(*coo), layout, index);
      ASSERT_TRUE(x.ok());
      expect_round_trip(of(*x));
    }
  }
  expect_round_trip(of(DenseTensor::of<double>({2, 3}, {1, 0.1, 3e300, -0.0, 5, 6})));
  expect_round_trip(of(DenseTensor::of<int8_t>({3}, {-128, 0, 127})));
  expect_round_trip(of(DenseTensor::scalar<bool>(true)));
  expect_round_trip(of(DenseTensor::of<BFloat16>({1, 2}, {BFloat16(0.1f), BFloat16(-3e38f)})));
  expect_round_trip(of(DenseTensor::of<Int4>({1, 2}, {Int4(-8), Int4(7)})));
  expect_round_trip(of(DenseTensor::of<uint64_t>({0, 7}, {})));
}

TEST(MtxWriteTest, RefusesMoreThanAMatrix) {
  EXPECT_EQ(to_bytes(of(DenseTensor::of<float>({1, 1, 1}, {1.f})), kFormat).status().to_string(),
            "unsupported: mtx holds a matrix, a tensor of shape [1, 1, 1] is none; formats that hold it: npz, json, csv");
}

TEST(MtxReadTest, ThreadsGiveTheSameBits) {
  std::string text = concat("coordinate real symmetric\n90000 90000 200001\n");
  for (int i = 0; i < 200'000; ++i) {
    text += concat(1 + i % 90'000, ' ', 1 + (i * 7919LL) % 90'000, ' ', i / 7.0, '\n');
    if (i % 1000 == 0) text += "% a comment\n\n";
  }
  const std::string good = concat(text, "1 1 1\n"), more = concat(good, "2 2 2\n");
  ThreadPool pool(3);
  const auto one = read_matrix(good), many = read_matrix(good, &pool);
  ASSERT_TRUE(one.ok()) << one.status().to_string();
  ASSERT_TRUE(many.ok()) << many.status().to_string();
  EXPECT_TRUE(identical(*one, *many));
  EXPECT_EQ(read_matrix(more).status().to_string(), read_matrix(more, &pool).status().to_string());
  EXPECT_EQ(read_matrix(text).status().to_string(), read_matrix(text, &pool).status().to_string());
}

TEST(MtxReadTest, EveryPrefixFailsWithAPlace) {
  const std::string text =
      "%%MatrixMarket matrix coordinate complex hermitian\n%ferry: dtype=complex64 layout=csr index=int32\n3 3 2\n3 1 1 2\n2 2 10 0\n";
  for (size_t size = 0; size < text.size(); ++size) {
    const auto tensors = read_text(text.substr(0, size));
    if (!tensors.ok()) {
      EXPECT_TRUE(tensors.status().offset().has_value()) << size;
    } else {
      EXPECT_EQ(size, text.size() - 1);
    }
  }
}

}  // namespace
}  // namespace ferry::mtx
