// Sorted tables against LevelDB, whose format they are: what its builder writes we read, entry for entry, and the other way round.
#include <gtest/gtest.h>
#include <leveldb/env.h>
#include <leveldb/iterator.h>
#include <leveldb/options.h>
#include <leveldb/table.h>
#include <leveldb/table_builder.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>

#include "wire/sorted_table.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;
using Entries = std::map<std::string, std::string>;  // ordered as LevelDB's BytewiseComparator does: by bytes without a sign

// Keys that share beginnings, empty ones and such of any bytes; values that compress and that do not.
Entries random_entries(uint32_t seed, size_t count) {
  std::mt19937 random(seed);
  Entries out;
  if (seed % 2 == 0) out.emplace("", "the empty key");
  while (out.size() < count) {
    std::string key = concat("model/layer_", random() % 40, "/", random() % 3 == 0 ? "kernel" : "bias");
    for (size_t extra = random() % 6; extra > 0; --extra) key += static_cast<char>(random());
    if (random() % 50 == 0) key.assign(random() % 3000, static_cast<char>(random()));
    std::string value(random() % 7 == 0 ? random() % 5000 : random() % 60, 'v');
    if (random() % 2 == 0) {
      for (char& c : value) c = static_cast<char>(random());
    }
    out.emplace(std::move(key), std::move(value));
  }
  return out;
}

class LevelDb : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const Entries& entries, const leveldb::Options& options) {
    leveldb::WritableFile* made = nullptr;
    EXPECT_TRUE(leveldb::Env::Default()->NewWritableFile(path(), &made).ok());
    const std::unique_ptr<leveldb::WritableFile> file(made);
    leveldb::TableBuilder builder(options, file.get());
    for (const auto& [key, value] : entries) builder.Add(key, value);
    EXPECT_TRUE(builder.Finish().ok());
    EXPECT_TRUE(file->Close().ok());
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  Entries read(std::string_view bytes) {
    std::ofstream(path(), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    leveldb::RandomAccessFile* opened = nullptr;
    EXPECT_TRUE(leveldb::Env::Default()->NewRandomAccessFile(path(), &opened).ok());
    const std::unique_ptr<leveldb::RandomAccessFile> file(opened);
    leveldb::Options options;
    options.paranoid_checks = true;
    leveldb::Table* made = nullptr;
    const leveldb::Status status = leveldb::Table::Open(options, file.get(), bytes.size(), &made);
    EXPECT_TRUE(status.ok()) << status.ToString();
    const std::unique_ptr<leveldb::Table> table(made);
    leveldb::ReadOptions reading;
    reading.verify_checksums = true;
    const std::unique_ptr<leveldb::Iterator> at(table->NewIterator(reading));
    Entries out;
    for (at->SeekToFirst(); at->Valid(); at->Next()) out.emplace(at->key().ToString(), at->value().ToString());
    EXPECT_TRUE(at->status().ok()) << at->status().ToString();
    return out;
  }

 private:
  std::string path() const { return (folder_ / "table").string(); }
  const fs::path folder_ = fs::temp_directory_path() / concat("ferry_leveldb_", ::getpid());
};

void expect_read_by_us(const std::string& bytes, const Entries& entries) {
  const auto table = SortedTable::open(*Buffer::copy_of(bytes));
  ASSERT_TRUE(table.ok()) << table.status().to_string();
  Entries all;
  for (size_t i = 0; i < table->num_blocks(); ++i) {
    const auto block = table->block(i);
    ASSERT_TRUE(block.ok()) << block.status().to_string();
    BlockCursor in = table->entries(i, *block);
    while (in.next()) all.emplace(in.key(), std::string(reinterpret_cast<const char*>(in.value().data()), in.value().size()));
    ASSERT_TRUE(in.status().ok()) << in.status().to_string();
  }
  ASSERT_EQ(all, entries);
  for (const auto& [key, value] : entries) {
    const auto found = table->find(key);
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    ASSERT_TRUE(found->has_value()) << key;
    EXPECT_EQ((*found)->text(), value);
    const std::string after = key + '\0';
    EXPECT_EQ(table->find(after)->has_value(), entries.contains(after));
  }
}

TEST_F(LevelDb, WhatItWritesIsReadEntryForEntry) {
  uint32_t seed = 0;
  for (const auto compression : {leveldb::kNoCompression, leveldb::kSnappyCompression}) {
    for (const size_t block_size : {size_t{1}, size_t{300}, size_t{4096}, size_t{1} << 18}) {
      for (const int restarts : {1, 2, 16, 100}) {
        leveldb::Options options;
        options.compression = compression;
        options.block_size = block_size;
        options.block_restart_interval = restarts;
        for (const size_t count : {size_t{0}, size_t{1}, size_t{17}, size_t{500}}) {
          SCOPED_TRACE(concat("seed ", seed, ", blocks of ", block_size, ", restarts every ", restarts));
          const Entries entries = random_entries(seed++, count);
          expect_read_by_us(write(entries, options), entries);
        }
      }
    }
  }
}

TEST_F(LevelDb, ReadsWhatWeWrite) {
  for (const size_t block_bytes : {size_t{1}, size_t{300}, size_t{1} << 18}) {
    for (uint32_t seed = 0; seed < 8; ++seed) {
      const Entries entries = random_entries(seed, 10 + 80 * seed);
      SortedTableWriter out(block_bytes);
      for (const auto& [key, value] : entries) out.add(key, value);
      EXPECT_EQ(read(std::move(out).finish()), entries);
    }
  }
}

TEST_F(LevelDb, FlippedBitsOfItsTablesNeverGiveAnotherValue) {
  leveldb::Options options;
  options.block_size = 200;
  const Entries entries = random_entries(4, 40);
  const std::string whole = write(entries, options);
  std::mt19937 random(5);
  for (int i = 0; i < 500; ++i) {
    std::string bytes = whole;
    bytes[random() % (bytes.size() - 48)] ^= static_cast<char>(1 << random() % 8);
    const auto table = SortedTable::open(*Buffer::copy_of(bytes));
    if (!table.ok()) continue;
    for (const auto& [key, value] : entries) {
      const auto found = table->find(key);
      if (found.ok()) {
        EXPECT_TRUE(found->has_value() && (*found)->text() == value) << key;
      } else {
        EXPECT_EQ(found.status().code(), StatusCode::data_loss);
      }
    }
  }
}

}  // namespace
}  // namespace ferry
