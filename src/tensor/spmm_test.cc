// Products against the plain reference.
#include "tensor/spmm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "support/sparse_model.h"

namespace ferry {
namespace {

constexpr DType kNumeric[] = {DType::float32,       DType::float64,  DType::int32,   DType::int64,  DType::complex64,
                              DType::complex128,    DType::bfloat16, DType::float16, DType::int8,   DType::uint8,
                              DType::int16,         DType::uint16,   DType::uint32,  DType::uint64, DType::float8_e5m2,
                              DType::float8_e4m3fn, DType::int4,     DType::uint4};

// Small whole numbers, so that every order of additions gives the same bits.
DenseTensor whole_numbers(DType dtype, Shape shape, uint32_t seed) {
  std::mt19937 random(seed);
  const auto count = static_cast<size_t>(*shape.num_elements());
  return visit_dtype(dtype, [&]<class T>(TypeTag<T>) {
    std::string bytes;
    for (size_t i = 0; i < count; ++i) {
      const int number = static_cast<int>(random() % 4);
      T value;
      if constexpr (is_small_float_v<T>) {
        value = T(static_cast<float>(number));
      } else if constexpr (is_complex_v<T>) {
        value = T(static_cast<typename T::value_type>(number), static_cast<typename T::value_type>(random() % 3));
      } else {
        value = static_cast<T>(number);
      }
      bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
    }
    return *DenseTensor::make(dtype, std::move(shape), *Buffer::copy_of(bytes));
  });
}

DenseTensor plain(const SparseTensor& x, const DenseTensor& dense) {
  Shape shape{x.shape()[0]};
  if (dense.shape().rank() == 2) shape.append(dense.shape()[1]);
  MutableBuffer out = *MutableBuffer::allocate(static_cast<size_t>(*shape.num_elements()) * dtype_size(x.dtype()));
  EXPECT_TRUE(spmm_kernels::multiply_plain(x, dense.view(), {out.data(), out.size()}).ok());
  return *DenseTensor::make(x.dtype(), std::move(shape), std::move(out).freeze());
}

std::vector<ThreadPool*> pools() {
  static ThreadPool one(1), two(2), five(5);
  return {nullptr, &one, &two, &five};
}

// With and without order, with duplicates, and rows of very different lengths.
SparseTensor random_matrix(int64_t rows, int64_t columns, int64_t nnz, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int64_t> at;
  for (int64_t i = 0; i < nnz; ++i) {
    at.push_back(static_cast<int64_t>(random() % 3 == 0 ? 0 : random() % static_cast<uint64_t>(rows)));
    at.push_back(static_cast<int64_t>(random() % static_cast<uint64_t>(columns)));
  }
  return *SparseTensor::coo(Shape{rows, columns}, DenseTensor::of<int64_t>(Shape{nnz, 2}, std::span<const int64_t>(at)),
                            whole_numbers(DType::float32, Shape{nnz}, seed));
}

SparseTensor with_dtype(const SparseTensor& x, DType dtype) { return *x.with_values(whole_numbers(dtype, Shape{x.nnz()}, 7)); }

TEST(Spmm, EveryWidthAgreesWithTheReference) {
  const SparseTensor x = random_matrix(37, 53, 400, 1);
  for (DType dtype : {DType::float32, DType::float64}) {
    const SparseTensor csr = *to_layout(with_dtype(x, dtype), Layout::csr, DType::int32);
    for (int64_t n = 1; n <= 150; n += n < 40 ? 1 : 7) {
      const DenseTensor dense = whole_numbers(dtype, Shape{53, n}, 2);
      ASSERT_TRUE(identical(Tensor(*spmm(csr, dense)), Tensor(plain(csr, dense)))) << n;
    }
  }
}

TEST(Spmm, EveryDTypeLayoutAndPoolAgreesWithTheReference) {
  const SparseTensor unordered = random_matrix(20, 30, 150, 3);
  for (DType dtype : kNumeric) {
    const SparseTensor x = with_dtype(unordered, dtype);
    const SparseTensor sorted = *sort(x);
    for (int64_t n : {1, 5, 33}) {
      const DenseTensor dense = whole_numbers(dtype, Shape{30, n}, 4);
      for (const SparseTensor& same : {x, sorted, *to_layout(x, Layout::csr, DType::int32), *to_layout(x, Layout::csr, DType::int64),
                                       *to_layout(x, Layout::csc, DType::int32), *to_layout(x, Layout::csc, DType::int64)}) {
        const DenseTensor expected = plain(same, dense);
        for (ThreadPool* pool : pools()) {
          EXPECT_TRUE(identical(Tensor(*spmm(same, dense, pool)), Tensor(expected)))
              << dtype_name(dtype) << " " << layout_name(same.layout());
        }
      }
    }
  }
}

TEST(Spmm, ThreadsNeverChangeABit) {
  // Enough work that the pools do cut it, and fractions that round.
  const SparseTensor shape = random_matrix(500, 700, 20'000, 5);
  std::mt19937 random(6);
  std::normal_distribution<float> normal;
  std::vector<float> weights(20'000), numbers(700 * 40);
  for (float& w : weights) w = normal(random);
  for (float& v : numbers) v = normal(random);
  const SparseTensor x = *shape.with_values(DenseTensor::vector<float>(std::span<const float>(weights)));
  for (int64_t n : {1, 8, 40}) {
    const DenseTensor dense = DenseTensor::of<float>(Shape{700, n}, std::span<const float>(numbers).first(static_cast<size_t>(700 * n)));
    for (const SparseTensor& same : {x, *sort(x), *to_layout(x, Layout::csr), *to_layout(x, Layout::csc)}) {
      const DenseTensor alone = *spmm(same, dense);
      const DenseTensor reference = plain(same, dense);
      for (int64_t i = 0; i < alone.num_elements(); ++i) {
        const float a = alone.values<float>()[static_cast<size_t>(i)], b = reference.values<float>()[static_cast<size_t>(i)];
        ASSERT_NEAR(a, b, 1e-3 * (1 + std::abs(b)));
      }
      for (ThreadPool* pool : pools()) EXPECT_TRUE(identical(Tensor(*spmm(same, dense, pool)), Tensor(alone)));
    }
  }
}

// Large enough for one thread to go by columns, where two go by rows.
TEST(Spmm, GoingByColumnsChangesNoBit) {
  constexpr int64_t kRows = 8, kColumns = 33000, kWidth = 256;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<int64_t> at;
  std::vector<float> values, numbers(kColumns * kWidth);
  for (float& number : numbers) number = normal(random);
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t column = row % 2; column < kColumns; column += 2) {
      at.insert(at.end(), {row, column});
      values.push_back(normal(random));
    }
  }
  const auto count = static_cast<int64_t>(values.size());
  const auto dense = DenseTensor::of<float>(Shape{kColumns, kWidth}, std::span<const float>(numbers));
  const auto coo =
      *coalesce(*SparseTensor::coo(Shape{kRows, kColumns}, DenseTensor::of<int64_t>(Shape{count, 2}, std::span<const int64_t>(at)),
                                   DenseTensor::vector<float>(std::span<const float>(values))));
  ThreadPool two(2);
  for (const Layout layout : {Layout::coo, Layout::csr, Layout::csc}) {
    const auto x = *to_layout(coo, layout);
    EXPECT_TRUE(identical(Tensor(*spmm(x, dense)), Tensor(*spmm(x, dense, &two))));
  }
}

TEST(Spmm, ARowsResultDoesNotDependOnItsNeighbours) {
  const SparseTensor x = *to_layout(random_matrix(50, 60, 700, 8), Layout::csr);
  const DenseTensor dense = whole_numbers(DType::float32, Shape{60, 19}, 9);
  const DenseTensor whole = *spmm(x, dense);
  for (int64_t row = 0; row < 50; ++row) {
    const DenseTensor one = *spmm(*slice_rows(x, row, row + 1), dense);
    EXPECT_TRUE(identical(Tensor(one), Tensor(*whole.slice_rows(row, row + 1)))) << row;
  }
}

TEST(Spmm, DegenerateShapesGiveZeros) {
  for (auto [m, k, n] : {std::array<int64_t, 3>{0, 3, 2}, {3, 0, 2}, {3, 2, 0}, {0, 0, 0}, {3, 2, 4}}) {
    const SparseTensor empty =
        *SparseTensor::coo(Shape{m, k}, DenseTensor::of<int64_t>(Shape{0, 2}, {}), DenseTensor::of<float>(Shape{0}, {}));
    for (Layout layout : {Layout::coo, Layout::csr, Layout::csc}) {
      const DenseTensor out = *spmm(*to_layout(empty, layout), whole_numbers(DType::float32, Shape{k, n}, 1));
      EXPECT_EQ(out.shape(), (Shape{m, n}));
      for (float value : out.values<float>()) EXPECT_EQ(value, 0);
    }
  }
}

TEST(Spmm, SpecialValuesPassOnlyThroughEntries) {
  // A NaN in a dense row that no entry names must not leak; infinity times an explicit zero is NaN.
  const SparseTensor x = *SparseTensor::csr(Shape{2, 3}, DenseTensor::of<int32_t>(Shape{3}, {0, 1, 2}),
                                            DenseTensor::of<int32_t>(Shape{2}, {0, 2}), DenseTensor::of<float>(Shape{2}, {2, 0}));
  const DenseTensor y = *spmm(x, DenseTensor::of<float>(Shape{3, 1}, {1, NAN, INFINITY}));
  EXPECT_EQ(y.values<float>()[0], 2);
  EXPECT_TRUE(std::isnan(y.values<float>()[1]));
}

TEST(Spmm, FewEntriesInManyRowsCostNoRowPointers) {
  const SparseTensor x = *SparseTensor::coo(Shape{1'000'000, 2}, DenseTensor::of<int64_t>(Shape{1, 2}, {999'999, 1}),
                                            DenseTensor::of<float>(Shape{1}, {3}), {true, true});
  EXPECT_EQ(spmv(x, DenseTensor::of<float>(Shape{2}, {5, 7}))->values<float>()[999'999], 21);
}

TEST(Spmv, TakesAVectorAndGivesOne) {
  const SparseTensor x = *to_layout(random_matrix(40, 50, 600, 10), Layout::csr);
  const DenseTensor vector = whole_numbers(DType::float32, Shape{50}, 11);
  const DenseTensor y = *spmv(x, vector);
  EXPECT_EQ(y.shape(), Shape{40});
  EXPECT_TRUE(identical(Tensor(y), Tensor(plain(x, vector))));
  EXPECT_FALSE(spmv(x, whole_numbers(DType::float32, Shape{50, 1}, 11)).ok());
}

TEST(Spmm, SaysWhatDoesNotFit) {
  const SparseTensor x = random_matrix(4, 5, 6, 12);
  EXPECT_EQ(spmm(x, whole_numbers(DType::float32, Shape{4, 2}, 1)).status().message(),
            "sparse [4, 5] times dense [4, 2] is not defined; expected [5] or [5, n]");
  EXPECT_EQ(spmm(x, whole_numbers(DType::float64, Shape{5, 2}, 1)).status().message(),
            "the sparse tensor is float32 and the dense one float64; cast one of them");
  EXPECT_FALSE(spmm(x, whole_numbers(DType::float32, Shape{5, 2, 2}, 1)).ok());
  EXPECT_FALSE(spmm(x, whole_numbers(DType::float32, Shape{}, 1)).ok());
  for (DType dtype : {DType::bool_, DType::qint8}) {
    EXPECT_EQ(spmm(with_dtype(x, dtype), whole_numbers(dtype, Shape{5, 2}, 1)).status().code(), StatusCode::unsupported);
  }
  std::vector<float> room(9);
  const DenseTensor dense = whole_numbers(DType::float32, Shape{5, 2}, 1);
  EXPECT_FALSE(spmm_into(x, dense.view(), std::as_writable_bytes(std::span(room))).ok()) << "nine elements for eight";
  const auto bytes = std::as_writable_bytes(std::span(room));
  EXPECT_FALSE(spmm_into(x, dense.view(), bytes.subspan(1, 32)).ok()) << "not aligned";
  EXPECT_TRUE(spmm_into(x, dense.view(), bytes.first(32)).ok());
  const SparseTensor tall =
      *SparseTensor::coo(Shape{INT64_MAX, 5}, DenseTensor::of<int64_t>(Shape{0, 2}, {}), DenseTensor::of<float>(Shape{0}, {}));
  EXPECT_EQ(spmm(tall, dense).status().code(), StatusCode::limit_exceeded);
}

}  // namespace
}  // namespace ferry
