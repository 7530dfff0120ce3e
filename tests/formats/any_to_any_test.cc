// Every pair of formats that can hold a tensor passes it on unchanged: A's bytes, read, written as B, read, compared.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ferry/format.h"
#include "ferry/sparse.h"
#include "support/compare.h"

namespace ferry {
namespace {

using testing_support::difference;

struct Member {
  std::string name;
  Tensor tensor;
};

Tensor ragged(std::initializer_list<int64_t> splits, DenseTensor values) {
  std::vector<DenseTensor> nested{DenseTensor::vector<int64_t>(std::span(splits.begin(), splits.size()))};
  return *RaggedTensor::make(std::move(nested), std::move(values));
}

template <class T>
SparseTensor coo(Shape shape, std::initializer_list<int64_t> indices, std::initializer_list<T> values) {
  const auto rank = static_cast<int64_t>(shape.rank());
  auto x = SparseTensor::coo(std::move(shape), DenseTensor::of<int64_t>(Shape{static_cast<int64_t>(values.size()), rank}, indices),
                             DenseTensor::vector<T>(std::span<const T>(values.begin(), values.size())), {true, true});
  FERRY_ASSERT(x.ok());
  return *x;
}

std::vector<Member> family() {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<Member> out;
  const auto add = [&](std::string name, Tensor tensor) { out.push_back({std::move(name), std::move(tensor)}); };
  const SparseTensor pairs = coo<float>({3, 4}, {0, 1, 2, 0}, {2.0f, 5.5f});
  add("coo_float32", pairs);
  add("csr_float32", *to_layout(pairs, Layout::csr));
  add("csc_float32", *to_layout(pairs, Layout::csc));
  add("coo_float64", coo<double>({2, 2}, {0, 0, 1, 1}, {0.1, -1e300}));
  add("coo_int64", coo<int64_t>({2, 3}, {0, 2, 1, 0}, {int64_t{9007199254740993}, int64_t{-1}}));
  add("coo_rank3", coo<float>({2, 3, 4}, {0, 1, 2, 1, 2, 3}, {1.5f, -2.0f}));
  add("coo_rank1", coo<float>({10}, {3, 7}, {1.0f, 2.0f}));
  add("coo_empty", coo<float>({3, 4}, {}, {}));
  add("coo_no_rows", coo<float>({0, 4}, {}, {}));
  add("coo_bool", coo<bool>({2, 2}, {0, 1}, {true}));
  add("coo_complex", coo<std::complex<float>>({2, 2}, {0, 1}, {{1.0f, -2.0f}}));
  add("coo_string",
      *SparseTensor::coo({2, 2}, DenseTensor::of<int64_t>({1, 2}, {1, 0}), DenseTensor::of_strings({1}, {"héllo"}), {true, true}));
  add("dense_float32", DenseTensor::of<float>({2, 3}, {1.0f, -0.5f, 3e-9f, std::nanf(""), inf, -inf}));
  add("dense_float64", DenseTensor::of<double>({2}, {0.1, 1e-300}));
  add("dense_int32", DenseTensor::of<int32_t>({2, 2}, {1, -2, 3, 2147483647}));
  add("dense_uint64", DenseTensor::of<uint64_t>({1}, {18446744073709551615u}));
  add("dense_bool", DenseTensor::of<bool>({3}, {true, false, true}));
  add("dense_half", DenseTensor::of<Half>({2}, {Half(1.5f), Half(-65504.0f)}));
  add("dense_bfloat16", DenseTensor::of<BFloat16>({2}, {BFloat16(1.5f), BFloat16(3e38f)}));
  add("dense_float8", DenseTensor::of<Float8E4M3FN>({2}, {Float8E4M3FN(1.5f), Float8E4M3FN(-448.0f)}));
  add("dense_complex", DenseTensor::of<std::complex<double>>({1, 2}, {{1, 2}, {-0.5, 0}}));
  add("dense_string", DenseTensor::of_strings({2, 2}, {"a", "", "b\"c", "\xff\n"}));
  add("dense_string_nul", DenseTensor::of_strings({2}, {std::string_view("a\0", 2), "b"}));
  add("dense_scalar", DenseTensor::scalar<int64_t>(7));
  add("dense_string_scalar", DenseTensor::of_strings({}, {"one"}));
  add("dense_empty", DenseTensor::of<float>(Shape{0, 3}, std::span<const float>()));
  add("dense_rank4", DenseTensor::of<int8_t>({1, 2, 1, 2}, {1, 2, 3, -128}));
  add("ragged_int64", ragged({0, 2, 2, 3}, DenseTensor::of<int64_t>({3}, {1, 2, 3})));
  add("ragged_string", ragged({0, 1, 3}, DenseTensor::of_strings({3}, {"a", "b", ""})));
  add("ragged_empty", ragged({0}, DenseTensor::of<float>(Shape{0}, std::span<const float>())));
  add("ragged_inner", ragged({0, 0, 2}, DenseTensor::of<float>({2, 2}, {1, 2, 3, 4})));
  return out;
}

TensorMap map_of(const Tensor& tensor) {
  TensorMap map;
  map.set("", tensor);
  return map;
}

Result<TensorMap> through(const TensorMap& tensors, const Format& format) {
  FERRY_ASSIGN_OR_RETURN(const std::string bytes, to_bytes(tensors, format));
  FERRY_ASSIGN_OR_RETURN(Buffer data, Buffer::copy_of(std::string_view(bytes)));
  return read_tensors(memory_source(std::move(data)), &format);
}

TEST(AnyToAny, EveryPairPassesEveryTensorItCanHold) {
  int pairs = 0;
  for (const Member& member : family()) {
    const TensorMap original = map_of(member.tensor);
    int holders = 0;
    for (const Format* a : all_formats()) {
      if (!check_writable(original, *a).ok()) continue;
      auto first = through(original, *a);
      if (first.status().code() == StatusCode::unsupported) continue;  // a value that only the writer can see is refused there
      ASSERT_TRUE(first.ok()) << member.name << " in " << a->id << ": " << first.status().to_string();
      ++holders;
      EXPECT_EQ(difference(original, *first), "") << member.name << " in " << a->id;
      for (const Format* b : all_formats()) {
        // A layout that A does not keep (CSR as COO) may be one that B cannot hold; that is A's documented mapping.
        if (!check_writable(original, *b).ok() || !check_writable(*first, *b).ok()) continue;
        auto second = through(*first, *b);
        if (second.status().code() == StatusCode::unsupported) continue;
        ASSERT_TRUE(second.ok()) << member.name << " from " << a->id << " to " << b->id << ": " << second.status().to_string();
        EXPECT_EQ(difference(original, *second), "") << member.name << " from " << a->id << " to " << b->id;
        ++pairs;
      }
    }
    EXPECT_GE(holders, 2) << member.name << " can be held by too few formats to travel";
  }
  RecordProperty("pairs", pairs);
  std::printf("%d pairs\n", pairs);
}

TEST(AnyToAny, WhatAFormatCannotHoldIsRefusedWithAWayOut) {
  for (const Member& member : family()) {
    for (const Format* format : all_formats()) {
      const Status status = check_writable(map_of(member.tensor), *format);
      if (status.ok() || !format->writes_bytes()) continue;
      EXPECT_EQ(status.code(), StatusCode::unsupported);
      EXPECT_NE(status.message().find("; "), std::string_view::npos) << status.message();
    }
  }
}

}  // namespace
}  // namespace ferry
