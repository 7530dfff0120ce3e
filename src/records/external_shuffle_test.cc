#include "records/external_shuffle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace ferry::records {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<std::string> shuffled(const std::vector<std::string>& records, uint64_t seed, uint64_t memory, size_t* runs = nullptr) {
  ExternalShuffle shuffle({.seed = seed, .memory = memory, .folder = std::filesystem::temp_directory_path().string()});
  for (const std::string& record : records) EXPECT_TRUE(shuffle.add(bytes_of(record)).ok());
  EXPECT_EQ(shuffle.records(), records.size());
  if (runs != nullptr) *runs = shuffle.runs();
  std::vector<std::string> out;
  const Status status = shuffle.drain([&](std::span<const std::byte> record) {
    out.emplace_back(reinterpret_cast<const char*>(record.data()), record.size());
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.to_string();
  return out;
}

TEST(ExternalShuffle, TheOrderIsTheSameForAnyMemory) {
  std::vector<std::string> records;
  for (int i = 0; i < 20000; ++i) records.push_back(std::to_string(i) + std::string(static_cast<size_t>(i) % 1000, 'x'));
  records.push_back(std::string(3 << 20, 'y'));
  records.push_back("");
  size_t runs = 0;
  const auto whole = shuffled(records, 5, uint64_t{1} << 30, &runs);
  EXPECT_EQ(runs, 0u);
  for (const uint64_t memory : {uint64_t{1} << 20, uint64_t{5} << 20}) {
    EXPECT_TRUE(shuffled(records, 5, memory, &runs) == whole);
    EXPECT_GT(runs, 1u) << "it did not fit";
  }
  EXPECT_FALSE(shuffled(records, 6, uint64_t{1} << 30) == whole);
  auto a = records, b = whole;
  std::ranges::sort(a);
  std::ranges::sort(b);
  EXPECT_TRUE(a == b) << "each once";
}

TEST(ExternalShuffle, EveryOrderIsAboutAsLikely) {
  const std::vector<std::string> records = {"a", "b", "c", "d"};
  std::map<std::string, int> seen;
  constexpr int kSeeds = 6000;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    std::string order;
    for (const std::string& record : shuffled(records, seed, 1)) order += record;
    ++seen[order];
  }
  EXPECT_EQ(seen.size(), 24u);
  for (const auto& [order, count] : seen) EXPECT_NEAR(count, kSeeds / 24, 110) << order;  // seven deviations
}

TEST(ExternalShuffle, TheKeysOfAVersionAreThoseOfTheNext) {
  std::vector<std::string> records;
  for (int i = 0; i < 8; ++i) records.push_back(std::to_string(i));
  std::string order;
  for (const std::string& record : shuffled(records, 1, 1 << 20)) order += record;
  EXPECT_EQ(order, "35176402");
}

TEST(ExternalShuffle, AFolderThatIsNotThereIsAnError) {
  ExternalShuffle shuffle({.memory = 1 << 20, .folder = "/nosuch"});
  Status status;
  for (int i = 0; i < 3 && status.ok(); ++i) status = shuffle.add(bytes_of(std::string(1 << 20, 'x')));
  EXPECT_EQ(status.code(), StatusCode::io);
}

}  // namespace
}  // namespace ferry::records
