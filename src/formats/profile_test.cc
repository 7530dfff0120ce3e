#include "ferry/profile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "ferry/sparse.h"

namespace ferry {
namespace {

SparseTensor small_sparse() {
  return *SparseTensor::coo(Shape{3, 4}, DenseTensor::of<int64_t>(Shape{2, 2}, {0, 1, 2, 0}),
                            DenseTensor::vector<float>(std::vector<float>{2, 5}));
}

TensorMap one(Tensor tensor, std::string name = "x") {
  TensorMap out;
  EXPECT_TRUE(out.add(std::move(name), std::move(tensor)).ok());
  return out;
}

FormatProfile row(const char* id, uint64_t bytes, double read, double write, std::vector<std::string> lost = {}) {
  FormatProfile out;
  out.format = find_format(id);
  out.packing = "none";
  out.bytes = bytes;
  out.read_all = read;
  out.first = read;
  out.write = write;
  out.lost = std::move(lost);
  return out;
}

TEST(Profile, EveryFormatWritesOrSaysWhyNot) {
  ProfileOptions options;
  options.seconds = 0;
  options.packings = {"none", "zstd-1"};
  const TensorMap map = one(Tensor(small_sparse()));
  const auto rows = profile_formats(map, options);
  ASSERT_TRUE(rows.ok()) << rows.status().to_string();
  for (const Format* format : all_formats()) {
    if (!format->writes_bytes() || format->open == nullptr) continue;
    EXPECT_TRUE(std::ranges::any_of(*rows, [&](const FormatProfile& r) { return r.format == format; })) << format->id;
  }
  for (const FormatProfile& r : *rows) {
    if (!r.written()) {
      EXPECT_FALSE(r.refused.message().empty());
      continue;
    }
    EXPECT_GT(r.bytes, 0u) << r.format->id;
    EXPECT_GT(r.read_all, 0) << r.format->id;
    EXPECT_TRUE(r.row.has_value()) << r.format->id;
    EXPECT_TRUE(std::ranges::find(r.lost, "values") == r.lost.end()) << r.format->id;
    EXPECT_TRUE(r.format->id != "npz" || r.lossless()) << r.lost.front();
    EXPECT_TRUE(r.format->id != "tf_sparse" || r.lost == std::vector<std::string>{"names"});
  }
  const auto npy = std::ranges::find_if(*rows, [](const FormatProfile& r) { return r.format->id == "npy"; });
  ASSERT_NE(npy, rows->end());
  EXPECT_FALSE(npy->written());
}

TEST(Profile, ItsFilesAreGoneAfterwards) {
  std::string pattern = (std::filesystem::temp_directory_path() / "profile_test_XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  ProfileOptions options;
  options.seconds = 0;
  options.folder = pattern;
  options.formats = {find_format("npz"), find_format("json")};
  EXPECT_TRUE(profile_formats(one(Tensor(small_sparse())), options).ok());
  EXPECT_TRUE(std::filesystem::is_empty(pattern));
  std::filesystem::remove_all(pattern);
  EXPECT_EQ(profile_formats(one(Tensor(small_sparse())), options).status().code(), StatusCode::io);
}

TEST(Profile, EmptyMapsAndScalarsHaveNoRows) {
  ProfileOptions options;
  options.seconds = 0;
  options.packings = {"none"};
  options.formats = {find_format("npz"), find_format("tensorproto")};
  const auto scalar = profile_formats(one(Tensor(DenseTensor::scalar<double>(1)), ""), options);
  ASSERT_TRUE(scalar.ok());
  for (const FormatProfile& r : *scalar) EXPECT_FALSE(r.row.has_value());
  EXPECT_TRUE(profile_formats(TensorMap(), options).ok());
}

TEST(Profile, UnknownPackingIsNamed) {
  for (const char* name : {"zip", "zstd-0", "zstd-20", "gzip-10", "zstd-", "zstd-3x", "none-1"}) EXPECT_FALSE(is_packing(name)) << name;
  for (std::string_view name : default_packings()) EXPECT_TRUE(is_packing(name)) << name;
  ProfileOptions options;
  options.packings = {"zip"};
  EXPECT_EQ(profile_formats(TensorMap(), options).status().code(), StatusCode::invalid_argument);
}

TEST(Profile, WhatWasLostIsNamed) {
  const TensorMap before = one(Tensor(small_sparse()));
  EXPECT_TRUE(what_was_lost(before, before).empty());
  EXPECT_EQ(what_was_lost(before, one(Tensor(small_sparse()), "y")), std::vector<std::string>{"names"});
  EXPECT_EQ(what_was_lost(before, one(Tensor(*to_layout(small_sparse(), Layout::csr)))), std::vector<std::string>{"kind"});
  EXPECT_EQ(what_was_lost(before, one(Tensor(*scale(small_sparse(), 2)))), std::vector<std::string>{"values"});
  EXPECT_EQ(what_was_lost(before, TensorMap()), std::vector<std::string>{"tensors"});
  TensorMap described = before;
  described[0].metadata.set("unit", "m");
  EXPECT_EQ(what_was_lost(described, before), std::vector<std::string>{"metadata"});
}

TEST(Profile, RecommendationFollowsTheGoal) {
  const std::vector<FormatProfile> rows = {row("npz", 1000, 1e-4, 1e-3), row("json", 400, 1e-2, 5e-2),
                                           row("npy", 10, 1e-6, 1e-6, {"names"}), row("arrow", 1100, 2e-4, 1e-4)};
  EXPECT_EQ(recommend(rows, ProfileGoal::size)->row, 1u);
  EXPECT_EQ(recommend(rows, ProfileGoal::read)->row, 0u);
  EXPECT_EQ(recommend(rows, ProfileGoal::write)->row, 3u);
  EXPECT_NE(recommend(rows, ProfileGoal::balanced)->row, 2u);
  EXPECT_NE(recommend(rows, ProfileGoal::size)->reason.find("the smallest file"), std::string::npos);
  EXPECT_FALSE(recommend({&rows[2], 1}).has_value());
}

}  // namespace
}  // namespace ferry
