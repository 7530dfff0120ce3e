#include "io/zip.h"

#include <gtest/gtest.h>

#include <random>

namespace ferry {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// Members are "name=bytes"; made with our own writer.
std::string archive(std::initializer_list<std::pair<std::string_view, std::string_view>> members, ZipMethod method = ZipMethod::stored,
                    std::string_view comment = "") {
  std::string out;
  const auto sink = memory_sink(out);
  ZipWriter writer(*sink);
  for (const auto& [name, text] : members) EXPECT_TRUE(writer.add(name, bytes_of(text), method).ok());
  EXPECT_TRUE(writer.finish(comment).ok());
  return out;
}

Result<ZipReader> open(const std::string& text, const Limits& limits = {}) {
  auto copy = Buffer::copy_of(std::string_view(text));
  return ZipReader::open(memory_source(*std::move(copy)), limits);
}

template <class T>
void poke(std::string& text, size_t at, T value) {
  ASSERT_LE(at + sizeof(T), text.size());
  std::memcpy(text.data() + at, &value, sizeof(T));
}

std::string words(size_t size) {
  std::mt19937 random(5);
  std::string out(size, ' ');
  for (char& c : out) c = "aaab"[random() % 4];
  return out;
}

TEST(Zip, WhatIsWrittenIsReadBack) {
  const std::string big = words(100000);
  for (const ZipMethod method : {ZipMethod::stored, ZipMethod::deflate}) {
    auto zip = open(archive({{"a", "hello"}, {"b/c.npy", big}, {"empty", ""}, {"ünï", "x"}}, method, "a comment"));
    ASSERT_TRUE(zip.ok()) << zip.status().to_string();
    EXPECT_EQ(zip->comment(), "a comment");
    ASSERT_EQ(zip->members().size(), 4u);
    EXPECT_EQ(zip->read(0)->text(), "hello");
    EXPECT_EQ(zip->read(1)->text(), big);
    EXPECT_EQ(zip->head(1, 777)->text(), big.substr(0, 777));
    EXPECT_EQ(zip->read(2)->text(), "");
    EXPECT_EQ(zip->members()[3].name, "ünï");
    for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(zip->verify(i).ok());
  }
}

TEST(Zip, StoredDataIsAlignedToACacheLine) {
  auto zip =
      open(archive({{"a", "1"}, {"bb", "22"}, {"a-much-longer-name-than-those-before-it-so-that-gaps-differ.npy", "3"}, {"d", "4"}}));
  ASSERT_TRUE(zip.ok());
  for (const ZipMember& member : zip->members()) EXPECT_EQ(member.data % ZipWriter::kAlign, 0u) << member.name;
}

TEST(Zip, LargeDeflateOfSeveralPiecesIsOneStream) {
  const std::string head = words(70000), body = words(3 << 20);
  const std::span<const std::byte> pieces[] = {bytes_of(head), bytes_of(body)};
  std::string out;
  const auto sink = memory_sink(out);
  ZipWriter writer(*sink);
  ASSERT_TRUE(writer.add("x", pieces, ZipMethod::deflate).ok());
  ASSERT_TRUE(writer.finish().ok());
  auto zip = open(out);
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(zip->members()[0].method, ZipMethod::deflate);
  EXPECT_EQ(zip->read(0)->text(), head + body);
}

TEST(Zip, MoreThan65535MembersNeedZip64) {
  std::string out;
  const auto sink = memory_sink(out);
  ZipWriter writer(*sink);
  for (int i = 0; i < 70000; ++i) ASSERT_TRUE(writer.add(concat(i), bytes_of("")).ok());
  ASSERT_TRUE(writer.finish().ok());
  auto zip = open(out);
  ASSERT_TRUE(zip.ok()) << zip.status().to_string();
  EXPECT_EQ(zip->members().size(), 70000u);
  EXPECT_EQ(zip->members()[69999].name, "69999");
  Limits limits;
  limits.max_tensors = 1000;
  EXPECT_EQ(open(out, limits).status().code(), StatusCode::limit_exceeded);
}

TEST(Zip, EveryPrefixIsAnError) {
  for (const ZipMethod method : {ZipMethod::stored, ZipMethod::deflate}) {
    const std::string whole = archive({{"a", "hello"}, {"b", words(300)}}, method, "comment");
    for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(open(whole.substr(0, size)).ok()) << size;
  }
}

TEST(Zip, EveryBitFlipEndsInAValueOrAnError) {
  const std::string whole = archive({{"a", "hello"}, {"b", words(300)}}, ZipMethod::deflate, "c");
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    auto zip = open(flipped);
    if (!zip.ok()) continue;
    for (size_t i = 0; i < zip->members().size(); ++i) {
      (void)zip->head(i, 10).ok();
      (void)zip->verify(i).ok();
    }
  }
}

TEST(Zip, DamagedStoredBytesAreFoundByVerifyAlone) {
  std::string text = archive({{"a", "hello"}});
  text[text.find("hello")] = 'j';
  auto zip = open(text);
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(zip->read(0)->text(), "jello");
  const Status status = zip->verify(0);
  EXPECT_EQ(status.code(), StatusCode::data_loss);
  EXPECT_EQ(status.offset(), 64u);
}

TEST(Zip, EncryptedMemberIsRefusedByName) {
  std::string text = archive({{"secret.npy", "hello"}});
  poke<uint16_t>(text, 6, 1);
  poke<uint16_t>(text, text.find("PK\1\2") + 8, 1);
  const Status status = open(text).status();
  EXPECT_EQ(status.code(), StatusCode::unsupported);
  EXPECT_EQ(status.message(), "member 'secret.npy' is encrypted; decrypt the archive first");
}

TEST(Zip, DuplicateNamesAreRefused) {
  const Status status = open(archive({{"x.npy", "1"}, {"y.npy", "2"}, {"x.npy", "3"}})).status();
  EXPECT_EQ(status.code(), StatusCode::data_loss);
  EXPECT_EQ(status.message(), "member 'x.npy' is there twice, as entries 0 and 2");
}

TEST(Zip, LocalHeaderThatDiffersIsRefused) {
  std::string text = archive({{"x.npy", "hello"}});
  text[30] = 'y';
  EXPECT_EQ(open(text).status().message(), "member 'x.npy' has another name in its local header than in the central directory");
  text = archive({{"x.npy", "hello"}});
  poke<uint32_t>(text, 22, 4);
  EXPECT_EQ(open(text).status().message(), "member 'x.npy' has another size in its local header than in the central directory");
  text = archive({{"x.npy", "hello"}});
  poke<uint16_t>(text, 8, 8);
  EXPECT_EQ(open(text).status().message(), "member 'x.npy' has another method in its local header than in the central directory");
}

TEST(Zip, OverlappingMembersAreRefused) {
  // Two directory entries for one body, both with the second's name in the local header: the zip bomb of overlaps.
  std::string text = archive({{"x", "hello"}, {"y", "world"}});
  const size_t second = text.find("PK\1\2", text.find("PK\1\2") + 1);
  poke<uint32_t>(text, second + 42, 0);
  text[second + 46] = 'x';
  EXPECT_FALSE(open(text).ok());
  // A first member that claims the bytes up to the second's end.
  text = archive({{"x", "hello"}, {"y", "world"}});
  const size_t first = text.find("PK\1\2");
  for (const size_t at : {size_t{18}, size_t{22}, first + 20, first + 24}) poke<uint32_t>(text, at, 60);
  const Status status = open(text).status();
  EXPECT_EQ(status.code(), StatusCode::data_loss);
  EXPECT_NE(status.message().find("'y' begins here, inside member 'x'"), std::string::npos) << status.message();
}

TEST(Zip, LyingSizesNeverCostMemory) {
  std::string text = archive({{"x", words(1000)}}, ZipMethod::deflate);
  const size_t central = text.find("PK\1\2");
  poke<uint32_t>(text, 22, 0xfffffff0);
  poke<uint32_t>(text, central + 24, 0xfffffff0);
  auto zip = open(text);
  ASSERT_TRUE(zip.ok()) << zip.status().to_string();
  EXPECT_FALSE(zip->read(0).ok());
  poke<uint32_t>(text, 18, 0x7fffffff);
  poke<uint32_t>(text, central + 20, 0x7fffffff);
  EXPECT_EQ(open(text).status().code(), StatusCode::data_loss);
}

TEST(Zip, BombsDieOnLimits) {
  const std::string text = archive({{"x", std::string(4 << 20, '\0')}}, ZipMethod::deflate);
  Limits limits;
  limits.free_expanded_bytes = 1 << 20;
  auto zip = open(text, limits);
  ASSERT_TRUE(zip.ok());
  const Status status = zip->read(0).status();
  EXPECT_EQ(status.code(), StatusCode::limit_exceeded);
  EXPECT_NE(status.message().find("max_expansion_ratio"), std::string::npos) << status.message();
}

TEST(Zip, MethodsThatAreNotReadAreNamed) {
  std::string text = archive({{"x", "hello"}});
  poke<uint16_t>(text, 8, 12);
  poke<uint16_t>(text, text.find("PK\1\2") + 10, 12);
  auto zip = open(text);
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(zip->read(0).status().message(), "member 'x' is compressed by method 12; stored, deflate (8) and zstd (93) are read");
}

TEST(Zip, EndRecordInsideTheCommentIsNotTheEnd) {
  const std::string inner = archive({});
  auto zip = open(archive({{"x", "hello"}}, ZipMethod::stored, inner + "tail"));
  ASSERT_TRUE(zip.ok()) << zip.status().to_string();
  EXPECT_EQ(zip->members().size(), 1u);
}

Result<std::optional<ZipIndex>> open_index(const std::string& text) {
  auto copy = Buffer::copy_of(std::string_view(text));
  return ZipIndex::open(memory_source(*std::move(copy)));
}

TEST(ZipIndex, FindsWhatTheReaderReads) {
  const std::string text = archive({{"a", "hello"}, {"b/c.npy", words(5000)}, {"", ""}}, ZipMethod::deflate, "a comment");
  auto zip = open(text);
  auto index = open_index(text);
  ASSERT_TRUE(zip.ok() && index.ok() && index->has_value());
  EXPECT_EQ((*index)->comment(), "a comment");
  ASSERT_EQ((*index)->size(), 3u);
  EXPECT_EQ((*index)->find("none"), NameSlots::kNone);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*index)->name(i), zip->members()[i].name);
    EXPECT_EQ((*index)->find(zip->members()[i].name), i);
    auto one = (*index)->only(i);
    ASSERT_TRUE(one.ok()) << one.status().to_string();
    EXPECT_EQ(one->read(0)->text(), zip->read(i)->text());
  }
}

TEST(ZipIndex, WhatIsUnusualIsLeftToTheReader) {
  EXPECT_FALSE(open_index(archive({{"ü", "1"}}))->has_value());
  EXPECT_FALSE(open_index(archive({{"a", "1"}, {"a", "2"}}))->has_value());
  std::string encrypted = archive({{"x", "hello"}});
  poke<uint16_t>(encrypted, encrypted.find("PK\1\2") + 8, 1);
  EXPECT_FALSE(open_index(encrypted)->has_value());
}

// Whatever byte is damaged: if the index takes the archive, its members are those that the reader accepts, and the same.
TEST(ZipIndex, IsNoLessCarefulThanTheReader) {
  const std::string sound = archive({{"first.npy", "1"}, {"b", words(40)}, {"third", ""}});
  size_t taken = 0;
  for (size_t at = 0; at < sound.size(); ++at) {
    for (const unsigned bit : {0u, 1u, 4u, 7u}) {
      std::string text = sound;
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
      auto index = open_index(text);
      if (!index.ok() || !index->has_value()) continue;
      ++taken;
      auto zip = open(text);
      bool all = true;
      for (size_t i = 0; i < (*index)->size(); ++i) {
        auto one = (*index)->only(i);
        all = all && one.ok();
        if (!one.ok() || !zip.ok()) continue;
        EXPECT_EQ(one->read(0).ok() ? one->read(0)->text() : "", zip->read(i).ok() ? zip->read(i)->text() : "");
      }
      EXPECT_EQ(all, zip.ok()) << "byte " << at << " bit " << bit << ": " << zip.status().to_string();
    }
  }
  EXPECT_GT(taken, 100u);
}

TEST(Zip, SameCallsGiveTheSameBytes) { EXPECT_EQ(archive({{"x", "1"}, {"y", "2"}}), archive({{"x", "1"}, {"y", "2"}})); }

}  // namespace
}  // namespace ferry
