// Every kernel against its plain reference: ranks 0 to 5, all dtypes, duplicates, shuffled and sorted, degenerate axes,
// and the same bits with one, two and three threads.
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>

#include "ferry/sparse.h"
#include "tensor/entries.h"
#include "tensor/reference.h"

namespace ferry {
namespace {

ThreadPool& pool(int threads) {
  static ThreadPool two(2), three(3);
  return threads == 2 ? two : three;
}

// The whole range from the first case on, where RapidCheck would begin with small ones.
template <class T>
T in_range(T begin, T end) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(begin, end));
}

DType any_dtype() {
  const auto dtype = *rc::gen::elementOf(std::vector<DType>(std::begin(kAllDTypes), std::end(kAllDTypes)));
  return dtype == DType::resource || dtype == DType::variant ? DType::string : dtype;
}

// Elements of which about half are zero; the others any bits at all, NaNs and both zeros included.
DenseTensor any_values(DType dtype, Shape shape) {
  const int64_t count = *shape.num_elements();
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  uint64_t state = seed;
  const auto random = [&] {
    state += 0x9e3779b97f4a7c15;
    uint64_t z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  };
  if (dtype == DType::string) {
    StringsBuilder builder;
    for (int64_t i = 0; i < count; ++i) {
      const Status status = builder.append(std::string(random() % 2 * (random() % 20), static_cast<char>('a' + random() % 26)));
      RC_ASSERT(status.ok());
    }
    return *std::move(builder).finish(std::move(shape));
  }
  std::string bytes;
  const size_t size = dtype_size(dtype);
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t kind = random() % 8;
    for (size_t b = 0; b < size; ++b) {
      const auto sign = static_cast<char>(b % 8 == size % 9 - 1 || b + 1 == size ? 0x80 : 0);
      bytes += kind < 3 ? '\0' : kind == 3 ? sign : static_cast<char>(random());
    }
    if (dtype == DType::bool_) bytes.back() = static_cast<char>(kind > 3);
  }
  return *DenseTensor::make(dtype, std::move(shape), *Buffer::copy_of(bytes));
}

Shape any_shape(size_t rank, int64_t longest) {
  Shape shape;
  for (size_t axis = 0; axis < rank; ++axis) shape.append(in_range<int>(0, 16) == 0 ? 0 : in_range<int64_t>(1, longest));
  return shape;
}

// Entries at random places, so that small shapes have many duplicates.
SparseTensor any_coo(DType dtype, const Shape& shape, int64_t most) {
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  const int64_t count = empty ? 0 : in_range<int64_t>(0, most);
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t dim : shape) indices.push_back(in_range<int64_t>(0, dim));
  }
  return *SparseTensor::coo(shape, DenseTensor::of<int64_t>(Shape{count, static_cast<int64_t>(shape.rank())}, indices),
                            any_values(dtype, Shape{count}));
}

bool equal(const SparseTensor& a, const SparseTensor& b) { return identical(Tensor(a), Tensor(b)); }
bool equal(const DenseTensor& a, const DenseTensor& b) { return identical(Tensor(a), Tensor(b)); }
// The sum of two NaNs is a NaN with the payload of either: the machine may choose.
bool equal_sums(const SparseTensor& a, const SparseTensor& b) { return same_values(a, b); }
bool equal_sums(const DenseTensor& a, const DenseTensor& b) {
  return a.shape() == b.shape() && same_values(*from_dense(a), *from_dense(b));
}

RC_GTEST_PROP(FromDense, EqualsTheReference, ()) {
  const DType dtype = any_dtype();
  const DenseTensor dense = any_values(dtype, any_shape(in_range<size_t>(0, 6), 9));
  const SparseTensor expected = *reference::from_dense(dense);
  RC_ASSERT(equal(*from_dense(dense), expected));
  RC_ASSERT(equal(*from_dense(dense, Layout::coo, &pool(3)), expected));
}

RC_GTEST_PROP(FromDense, MatricesEqualTheReferenceInEveryLayout, ()) {
  const DType dtype = any_dtype();
  const DenseTensor dense = any_values(dtype, any_shape(2, 150));
  const SparseTensor expected = *reference::from_dense(dense);
  RC_ASSERT(equal(*from_dense(dense), expected));
  RC_ASSERT(equal(reference::to_coo(*from_dense(dense, Layout::csr)), expected));
  const SparseTensor csc = *from_dense(dense, Layout::csc, &pool(2));
  RC_ASSERT(csc.validate(Validation::canonical).ok());
  RC_ASSERT(equal(reference::sort(reference::to_coo(csc)), expected));
}

RC_GTEST_PROP(Sort, EqualsTheReference, ()) {
  const SparseTensor x = any_coo(any_dtype(), any_shape(in_range<size_t>(0, 6), *rc::gen::element<int64_t>(3, 40)), 60);
  const SparseTensor expected = reference::sort(x);
  for (ThreadPool* threads : {static_cast<ThreadPool*>(nullptr), &pool(2), &pool(3)}) {
    const SparseTensor y = *sort(x, threads);
    RC_ASSERT(equal(y, expected));
    RC_ASSERT(y.order().sorted);
    const Order order = find_order(y.with_order({}), threads);
    RC_ASSERT(order == reference::find_order(expected));
    RC_ASSERT(!y.order().unique || order.unique);
  }
  const Order order = find_order(x);
  RC_ASSERT(order == reference::find_order(x));
}

// Axes so long that keys take one word, two, or none.
RC_GTEST_PROP(Sort, EqualsTheReferenceOnHugeShapes, ()) {
  const int bits = in_range<int>(8, 64);
  const auto rank = in_range<size_t>(1, 6);
  Shape shape;
  for (size_t axis = 0; axis < rank; ++axis)
    shape.append(static_cast<int64_t>((uint64_t{1} << (bits - 1)) | ((uint64_t{1} << (bits - 1)) - 1)));
  const SparseTensor x = any_coo(any_dtype(), shape, 100);
  RC_ASSERT(equal(*sort(x), reference::sort(x)));
}

RC_GTEST_PROP(Coalesce, EqualsTheReference, ()) {
  const DType dtype = any_dtype();
  const SparseTensor x = any_coo(dtype, any_shape(in_range<size_t>(0, 6), 4), 40);
  for (Duplicates rule : {Duplicates::sum, Duplicates::first, Duplicates::last, Duplicates::min, Duplicates::max, Duplicates::error}) {
    const bool known = rule == Duplicates::sum                              ? can_sum(dtype)
                       : rule == Duplicates::min || rule == Duplicates::max ? can_order(dtype)
                                                                            : true;
    const Result<SparseTensor> y = coalesce(x, rule, &pool(2));
    if (!known && !y.ok()) {
      RC_ASSERT(y.status().code() == StatusCode::unsupported);
      continue;
    }
    const Result<SparseTensor> expected = reference::coalesce(x, known ? rule : Duplicates::first);
    RC_ASSERT(y.ok() == expected.ok());
    if (y.ok()) {
      const bool agrees =
          rule == Duplicates::sum ? equal_sums(*y, *expected) && equal(y->indices(), expected->indices()) : equal(*y, *expected);
      RC_ASSERT(agrees);
      RC_ASSERT(y->validate(Validation::canonical).ok());
    }
  }
}

RC_GTEST_PROP(Layouts, KeepEveryEntry, ()) {
  const SparseTensor x = any_coo(any_dtype(), any_shape(2, *rc::gen::element<int64_t>(5, 30)), 80);
  const SparseTensor expected = reference::sort(x);
  for (const SparseTensor& from : {x, *sort(x)}) {
    for (Layout first : {Layout::coo, Layout::csr, Layout::csc}) {
      for (Layout second : {Layout::coo, Layout::csr, Layout::csc}) {
        for (const auto index : {std::optional<DType>(), std::optional<DType>(DType::int64)}) {
          const SparseTensor y = *to_layout(*to_layout(from, first, std::nullopt, &pool(3)), second, index);
          RC_ASSERT(y.layout() == second);
          RC_ASSERT(y.validate(Validation::bounds).ok());
          RC_ASSERT(equal(reference::sort(reference::to_coo(y)), expected));
          if (y.order().sorted) RC_ASSERT(find_order(y.with_order({})).sorted);
          if (y.order().unique) RC_ASSERT(reference::find_order(expected).unique);
          RC_ASSERT(find_order(*sort(y)).sorted);
        }
      }
    }
  }
}

RC_GTEST_PROP(Layouts, CompressedTensorsCoalesceLikeCoo, ()) {
  const SparseTensor x = any_coo(any_dtype(), any_shape(2, 8), 60);
  const SparseTensor expected = *reference::coalesce(x, Duplicates::last);
  for (Layout layout : {Layout::csr, Layout::csc}) {
    const SparseTensor y = *coalesce(*to_layout(x, layout), Duplicates::last);
    RC_ASSERT(y.validate(Validation::canonical).ok());
    RC_ASSERT(equal(reference::sort(reference::to_coo(y)), expected));
  }
}

RC_GTEST_PROP(ToDense, EqualsTheReference, ()) {
  const DType dtype = any_dtype();
  const auto rank = in_range<size_t>(0, 6);
  const SparseTensor x = any_coo(dtype, any_shape(rank, 5), 40);
  const DenseTensor last = reference::to_dense(x), first = reference::to_dense(*reference::coalesce(x, Duplicates::first));
  RC_ASSERT(equal(*to_dense(x, Duplicates::last), last));
  RC_ASSERT(equal(*to_dense(x, Duplicates::first, {}, &pool(3)), first));
  if (can_sum(dtype)) {
    const DenseTensor sum = reference::to_dense(*reference::coalesce(x, Duplicates::sum));
    RC_ASSERT(equal_sums(*to_dense(x), sum));
    if (rank == 2) RC_ASSERT(equal_sums(*to_dense(*to_layout(x, Layout::csc)), sum));
  }
}

RC_GTEST_PROP(SameValues, LooksThroughLayoutOrderAndZeros, ()) {
  const DenseTensor dense = any_values(any_dtype(), any_shape(2, 12));
  const SparseTensor x = *from_dense(dense);
  RC_ASSERT(same_values(x, *to_layout(x, Layout::csc)));
  RC_ASSERT(same_values(*to_layout(x, Layout::csr), x));
  if (x.nnz() > 0)
    RC_ASSERT(
        !same_values(x, *from_dense(*DenseTensor::make(DType::uint8, x.shape(),
                                                       *Buffer::copy_of(std::string(static_cast<size_t>(dense.num_elements()), '\0'))))));
}

// Large enough for the radix sort's split, its parts and the threads.
TEST(Sort, ManyEntriesEqualTheReference) {
  for (const int64_t side : {int64_t{37}, int64_t{1} << 12, int64_t{1} << 40}) {
    std::vector<int64_t> indices;
    std::vector<int32_t> values;
    uint64_t state = 1;
    for (int32_t i = 0; i < 100'000; ++i) {
      for (int axis = 0; axis < 2; ++axis) {
        state = state * 6364136223846793005 + 1442695040888963407;
        indices.push_back(static_cast<int64_t>((state >> 20) % static_cast<uint64_t>(side)));
      }
      values.push_back(i);
    }
    const SparseTensor x =
        *SparseTensor::coo(Shape{side, side}, DenseTensor::of<int64_t>(Shape{100'000, 2}, indices), DenseTensor::vector<int32_t>(values));
    const SparseTensor expected = reference::sort(x);
    for (ThreadPool* threads : {static_cast<ThreadPool*>(nullptr), &pool(2), &pool(3)}) {
      EXPECT_TRUE(equal(*sort(x, threads), expected));
      EXPECT_EQ(find_order(expected, threads), reference::find_order(expected));
      if (side == 1 << 12) {
        const SparseTensor csr = *to_layout(expected, Layout::csr, std::nullopt, threads);
        EXPECT_TRUE(equal(*to_layout(csr, Layout::coo, std::nullopt, threads), expected));
        EXPECT_TRUE(equal(*to_dense(x, Duplicates::sum, {}, threads), *to_dense(*coalesce(expected))));
      }
    }
  }
}

}  // namespace
}  // namespace ferry
