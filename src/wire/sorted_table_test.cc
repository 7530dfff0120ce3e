#include "wire/sorted_table.h"

#include <gtest/gtest.h>

#include <map>

#include "wire/snappy.h"

namespace ferry {
namespace {

Buffer bytes_of(std::string_view text) { return *Buffer::copy_of(text); }

std::map<std::string, std::string> some_entries(int count) {
  std::map<std::string, std::string> out{{"", "header"}};
  for (int i = 0; i < count; ++i)
    out.emplace(concat("layer/", i % 7, "/kernel_", i), std::string(static_cast<size_t>(i % 50), static_cast<char>(i)));
  return out;
}

std::string written(const std::map<std::string, std::string>& entries, size_t block_bytes) {
  SortedTableWriter out(block_bytes);
  for (const auto& [key, value] : entries) out.add(key, value);
  return std::move(out).finish();
}

Result<std::map<std::string, std::string>> read(std::string_view file) {
  FERRY_ASSIGN_OR_RETURN(const SortedTable table, SortedTable::open(bytes_of(file)));
  std::map<std::string, std::string> out;
  for (size_t i = 0; i < table.num_blocks(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const Buffer block, table.block(i));
    BlockCursor in = table.entries(i, block);
    while (in.next()) out.emplace(in.key(), std::string(reinterpret_cast<const char*>(in.value().data()), in.value().size()));
    FERRY_RETURN_IF_ERROR(in.status());
  }
  return out;
}

TEST(SortedTable, GivesBackWhatWasWrittenInBlocksOfAnySize) {
  for (const int count : {0, 1, 15, 16, 17, 400}) {
    const auto entries = some_entries(count);
    for (const size_t block : {size_t{1}, size_t{100}, size_t{1} << 20}) {
      const auto again = read(written(entries, block));
      ASSERT_TRUE(again.ok()) << again.status().to_string();
      EXPECT_EQ(*again, entries);
    }
  }
}

TEST(SortedTable, FindsEveryKeyAndNoOther) {
  const auto entries = some_entries(300);
  for (const size_t block : {size_t{1}, size_t{200}, size_t{1} << 20}) {
    const auto table = SortedTable::open(bytes_of(written(entries, block)));
    ASSERT_TRUE(table.ok());
    for (const auto& [key, value] : entries) {
      const auto found = table->find(key);
      ASSERT_TRUE(found.ok() && found->has_value()) << key;
      EXPECT_EQ((*found)->text(), value);
      const auto none = table->find(key + "\x01");
      EXPECT_TRUE(none.ok() && !none->has_value());
    }
    EXPECT_FALSE(table->find("\xff")->has_value());
  }
}

TEST(SortedTable, EveryPrefixAndEveryFlipIsRefused) {
  const std::string file = written(some_entries(40), 200);
  for (size_t size = 0; size < file.size(); ++size) EXPECT_FALSE(read(std::string_view(file).substr(0, size)).ok()) << size;
  const auto entries = some_entries(40);
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    const auto again = read(damaged);
    // The block of no use, its place and the padding mean nothing.
    if (again.ok()) {
      EXPECT_EQ(*again, entries) << bit;
    }
  }
}

TEST(Snappy, ExpandsLiteralsAndCopiesThatOverlap) {
  const std::string_view block("\x12\x08\x61\x62\x63\x2a\x03\x00\x0c\x21\x21\x21\x21", 13);  // "abc", 11 from 3 back, "!!!!"
  const auto out = snappy::expand(std::as_bytes(std::span(block)));
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_EQ(out->text(), "abcabcabcabcab!!!!");
}

TEST(Snappy, RefusesCutsBombsAndCopiesFromNowhere) {
  const std::string_view whole("\x12\x08\x61\x62\x63\x2a\x03\x00\x0c\x21\x21\x21\x21", 13);
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(snappy::expand(std::as_bytes(std::span(whole.substr(0, size)))).ok()) << size;
  for (const std::string_view bad : {std::string_view("\xff\xff\xff\xff\x0f\x00\x61", 7), std::string_view("\x04\x0e\x01\x00", 4),
                                     std::string_view("\x02\x00\x61\x09\x00", 5), std::string_view("\x01\x04\x61\x62", 4),
                                     std::string_view("\xff\xff\xff\xff\xff\xff", 6)}) {
    EXPECT_FALSE(snappy::expand(std::as_bytes(std::span(bad))).ok()) << quoted(bad);
  }
}

}  // namespace
}  // namespace ferry
