// Reading and writing files of records: the same from memory, file, pipe and compressor; what damage costs.
#include "ferry/records.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

#include "records/compression.h"
#include "records/tfrecord.h"

namespace ferry {
namespace {

using Strings = std::vector<std::string>;

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "ferry-records-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Scratch() { std::filesystem::remove_all(folder_); }
  std::string operator/(std::string_view name) const { return (folder_ / name).string(); }
  std::string file(std::string_view name, std::string_view content) const {
    std::ofstream(*this / name, std::ios::binary) << content;
    return *this / name;
  }

 private:
  std::filesystem::path folder_;
};

std::string framed(const Strings& records) {
  std::string out;
  for (const std::string& record : records) records::append_record(out, record);
  return out;
}

std::string compressed(std::string_view bytes, RecordCompression compression) {
  std::string out;
  const auto sink = records::compress(memory_sink(out), compression);
  EXPECT_TRUE(sink->write(bytes).ok());
  EXPECT_TRUE(sink->close().ok());
  return out;
}

constexpr RecordCompression kAll[] = {RecordCompression::none, RecordCompression::gzip, RecordCompression::zlib, RecordCompression::zstd};

std::shared_ptr<const ByteSource> memory(std::string_view bytes) { return memory_source(*Buffer::copy_of(bytes)); }

// A pipe: no length, no seeking, short reads.
class Dribble : public ByteStream {
 public:
  explicit Dribble(std::string_view bytes, size_t most = 7) : bytes_(bytes), most_(most) {}
  Result<size_t> read(std::span<std::byte> out) override {
    const size_t size = std::min({out.size(), most_, bytes_.size() - at_});
    std::memcpy(out.data(), bytes_.data() + at_, size);
    at_ += size;
    return size;
  }

 private:
  std::string bytes_;
  size_t most_, at_ = 0;
};

struct Read {
  Strings records;
  std::vector<uint64_t> numbers;
  std::vector<SkippedRegion> regions;
  Status status;
};

Read read(RecordReader in) {
  Read out;
  while (in.next()) {
    out.records.emplace_back(in.text());
    out.numbers.push_back(in.number());
  }
  out.status = in.status();
  return out;
}

// Past all damage. `way`: from memory, from a file, from a pipe.
enum class Way { memory, file, pipe };
constexpr Way kWays[] = {Way::memory, Way::file, Way::pipe};
Read salvage(std::string_view bytes, Way way = Way::memory, uint64_t max_record_bytes = 1 << 30) {
  std::vector<SkippedRegion> regions;
  RecordReadOptions options;
  options.max_record_bytes = max_record_bytes;
  options.on_damage = [&](const SkippedRegion& region) {
    regions.push_back(region);
    return true;
  };
  Read out;
  if (way == Way::memory) {
    out = read(*RecordReader::over(memory(bytes), options));
  } else if (way == Way::pipe) {
    out = read(*RecordReader::over(std::make_unique<Dribble>(bytes, 4099), "pipe", options));
  } else {
    const Scratch scratch;
    out = read(*RecordReader::open(scratch.file("x", bytes), options));
  }
  out.regions = regions;
  return out;
}

Strings numbered(int count, size_t size = 3) {
  Strings out;
  std::mt19937_64 random(7);
  for (int i = 0; i < count; ++i) {
    std::string record = std::to_string(i) + ":";
    while (record.size() < size) record += static_cast<char>(random());
    out.push_back(record);
  }
  return out;
}

TEST(Records, ComeBackFromEveryCompressionAndEverySource) {
  Strings records = {"one", "", std::string(3 << 20, 'x'), "last"};
  for (const std::string& record : numbered(2000, 700)) records.push_back(record);
  const Scratch scratch;
  for (const RecordCompression compression : kAll) {
    const std::string path = scratch / compression_name(compression);  // no suffix tells
    auto out = RecordWriter::open(path, {.compression = compression});
    ASSERT_TRUE(out.ok());
    for (const std::string& record : records) ASSERT_TRUE(out->write(record).ok());
    EXPECT_EQ(out->place().number, records.size());
    ASSERT_TRUE(out->close().ok());
    EXPECT_FALSE(out->write("late").ok());
    auto in = RecordReader::open(path);
    ASSERT_TRUE(in.ok()) << in.status().to_string();
    EXPECT_EQ(in->compression(), compression);
    const Read found = read(*std::move(in));
    EXPECT_TRUE(found.status.ok()) << found.status.to_string();
    EXPECT_TRUE(found.records == records);
    const std::string bytes = compressed(framed(records), compression);
    EXPECT_TRUE(read(*RecordReader::over(memory(bytes))).records == records);
    EXPECT_TRUE(read(*RecordReader::over(std::make_unique<Dribble>(bytes, 70001), "-")).records == records);
  }
}

// A decompressor that holds back output when its input ends must not take that for the end.
TEST(Expand, AnyBufferGetsAllBytesAndEveryPrefixIsCut) {
  std::string plain = framed(numbered(300, 90)) + std::string(100'000, 'a');
  for (const RecordCompression compression : {RecordCompression::gzip, RecordCompression::zlib, RecordCompression::zstd}) {
    const std::string bytes = compressed(plain, compression);
    for (const size_t size : {1u, 7u, 1000u, 4095u, 65536u, 1u << 20}) {
      const auto stream = records::expand(std::make_unique<Dribble>(bytes, 1 << 20), compression);
      std::string out, block(size, '\0');
      for (;;) {
        const auto got = stream->read(std::as_writable_bytes(std::span(block)));
        ASSERT_TRUE(got.ok()) << got.status().to_string() << size;
        if (*got == 0) break;
        out.append(block, 0, *got);
      }
      EXPECT_TRUE(out == plain) << compression_name(compression) << size;
    }
    for (size_t cut = 1; cut < bytes.size(); cut += cut < 40 || cut + 40 > bytes.size() ? 1 : 97) {
      const auto stream = records::expand(std::make_unique<Dribble>(std::string_view(bytes).substr(0, cut), 1 << 20), compression);
      std::string block(4096, '\0');
      Result<size_t> got = size_t{1};
      while (got.ok() && *got > 0) got = stream->read(std::as_writable_bytes(std::span(block)));
      EXPECT_EQ(got.status().code(), StatusCode::data_loss) << compression_name(compression) << " cut at " << cut;
      EXPECT_NE(got.status().message().find("ends in the middle"), std::string_view::npos) << got.status().to_string() << cut;
    }
  }
}

TEST(Records, AnEmptyFileHasNone) {
  for (const RecordCompression compression : kAll) {
    for (const Way way : kWays) {
      const Read found = salvage(compressed("", compression), way);
      EXPECT_TRUE(found.status.ok() && found.records.empty() && found.regions.empty()) << compression_name(compression);
    }
  }
}

TEST(Records, WhatCannotBeOpenedSaysWhy) {
  EXPECT_EQ(RecordReader::open("/nosuch/file").status().code(), StatusCode::not_found);
  EXPECT_EQ(RecordReader::open("/tmp").status().code(), StatusCode::io);
}

TEST(Records, AWriterThatIsDroppedLeavesTheOldFile) {
  const Scratch scratch;
  const std::string path = scratch.file("x", framed({"old"}));
  {
    auto out = RecordWriter::open(path);
    ASSERT_TRUE(out->write("new").ok());
    ASSERT_TRUE(out->flush().ok());
  }
  EXPECT_EQ(read(*RecordReader::open(path)).records, Strings{"old"});
}

TEST(Records, AFlushedCompressorHasHandedOverEveryRecord) {
  for (const RecordCompression compression : kAll) {
    std::string bytes;
    RecordWriter out = RecordWriter::over(memory_sink(bytes), compression);
    ASSERT_TRUE(out.write("one").ok());
    ASSERT_TRUE(out.flush().ok());
    EXPECT_EQ(salvage(bytes).records, Strings{"one"}) << compression_name(compression);
  }
}

TEST(Records, SeekGoesToAnyPlaceAndGivesTheVeryNextRecord) {
  const Strings records = numbered(6000, 700);  // longer than the window
  const Scratch scratch;
  for (const RecordCompression compression : kAll) {
    const std::string path = scratch.file(compression_name(compression), compressed(framed(records), compression));
    auto in = *RecordReader::open(path);
    std::vector<RecordPlace> places;
    while (in.next()) places.push_back(in.at());
    ASSERT_EQ(places.size(), records.size());
    EXPECT_EQ(in.place().number, records.size());
    for (const size_t i : {5999u, 0u, 1u, 3000u, 2999u, 4500u}) {
      ASSERT_TRUE(in.seek(places[i]).ok());
      ASSERT_TRUE(in.next());
      EXPECT_EQ(in.text(), records[i]);
      EXPECT_EQ(in.at(), places[i]);
    }
    EXPECT_FALSE(in.seek({uint64_t{1} << 40, 1}).ok());
    ASSERT_TRUE(in.seek({}).ok());
    EXPECT_EQ(*in.skip(2500), 2500u);
    ASSERT_TRUE(in.next());
    EXPECT_EQ(in.text(), records[2500]);
    EXPECT_EQ(*in.skip(1 << 20), records.size() - 2501);
  }
  auto pipe = *RecordReader::over(std::make_unique<Dribble>(framed({"a", "b"})), "-");
  while (pipe.next()) {
  }
  EXPECT_EQ(pipe.seek({}).code(), StatusCode::unsupported);
}

TEST(Records, LengthsAloneAreReadWhereDataIsSkipped) {
  const Strings records = {std::string(5 << 20, 'a'), "", std::string(3 << 20, 'b'), "c"};
  const Scratch scratch;
  for (const RecordCompression compression : kAll) {
    std::string bytes = framed(records);
    bytes[100] = 'x';  // which nobody sees
    RecordReadOptions options;
    options.data = RecordReadOptions::Data::skipped;
    auto in = *RecordReader::open(scratch.file("x", compressed(bytes, compression)), options);
    std::vector<size_t> sizes;
    while (in.next()) {
      sizes.push_back(in.record_bytes());
      EXPECT_TRUE(in.record().empty());
    }
    EXPECT_TRUE(in.status().ok()) << in.status().to_string();
    EXPECT_EQ(sizes, (std::vector<size_t>{5 << 20, 0, 3 << 20, 1}));
    auto cut = *RecordReader::open(scratch.file("x", compressed(std::string_view(bytes).substr(0, 4 << 20), compression)), options);
    EXPECT_FALSE(cut.next());
    EXPECT_NE(cut.status().message().find("record 0: 5242880 bytes and a checksum are announced"), std::string_view::npos)
        << cut.status().to_string();
  }
}

// The promise of salvage: one changed byte costs the record it lies in, and no other.
TEST(Salvage, AChangedByteCostsItsRecordOnly) {
  const Strings records = {"one", "", "three and more", framed({"records", "in", "a", "record"}), "", std::string(300, '\0'), "last"};
  const std::string file = framed(records);
  std::vector<size_t> owner;
  for (size_t i = 0; i < records.size(); ++i) owner.resize(owner.size() + records[i].size() + records::kFrameBytes, i);
  for (size_t at = 0; at < file.size(); ++at) {
    for (const int change : {1, 0x80, 0xff, 0x55}) {
      std::string bad = file;
      bad[at] = static_cast<char>(bad[at] ^ change);
      Strings expected = records;
      expected.erase(expected.begin() + static_cast<ptrdiff_t>(owner[at]));
      for (const Way way : kWays) {
        if (way == Way::file && (change != 1 || at % 16 != 0)) continue;  // slow
        const Read found = salvage(bad, way);
        ASSERT_EQ(found.records, expected) << "byte " << at;
        ASSERT_EQ(found.regions.size(), 1u);
        EXPECT_EQ(found.regions[0].records, 1u);
        EXPECT_EQ(file.substr(found.regions[0].begin, found.regions[0].end - found.regions[0].begin), framed({records[owner[at]]}));
        EXPECT_NE(found.regions[0].reason.message().find(concat("record ", owner[at], ":")), std::string_view::npos);
        EXPECT_TRUE(found.status.ok());
        // Behind the lost record the numbers are those of the file.
        for (size_t i = 0; i < found.numbers.size(); ++i) EXPECT_EQ(found.numbers[i], i + (i >= owner[at] ? 1 : 0));
      }
    }
  }
}

TEST(Salvage, RandomDamageCostsNoRecordItDoesNotTouch) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    Strings records;
    for (int i = 0; i < 40; ++i) {
      std::string record(random() % 200, '\0');
      for (char& c : record) c = static_cast<char>(random());
      records.push_back(std::move(record));
    }
    std::string file = framed(records);
    std::vector<size_t> owner;
    for (size_t i = 0; i < records.size(); ++i) owner.resize(owner.size() + records[i].size() + records::kFrameBytes, i);
    std::vector<bool> touched(records.size());
    for (int hits = 1 + static_cast<int>(random() % 4); hits > 0; --hits) {
      const size_t from = random() % file.size(), count = std::min<size_t>(1 + random() % 60, file.size() - from);
      for (size_t i = from; i < from + count; ++i) {
        file[i] = static_cast<char>(random());
        touched[owner[i]] = true;
      }
    }
    Strings expected;
    for (size_t i = 0; i < records.size(); ++i) {
      if (!touched[i]) expected.push_back(records[i]);
    }
    const Read found = salvage(file, kWays[round % 3]);
    // What was overwritten with what had been there stays; all else that is found is expected.
    size_t next = 0;
    for (const std::string& record : found.records) {
      if (next < expected.size() && record == expected[next]) ++next;
    }
    EXPECT_EQ(next, expected.size()) << round;
  }
}

TEST(Salvage, BytesThatWereLostOrInsertedCostTheRecordsAround) {
  const Strings records = numbered(50, 100);
  const std::string file = framed(records);
  for (const size_t from : {0u, 5u, 12u, 60u, 116u, 1000u, 3000u}) {
    for (const size_t count : {1u, 30u, 117u, 500u}) {
      const size_t first = from / 116, last = (from + count - 1) / 116;
      Strings expected = records;
      expected.erase(expected.begin() + static_cast<ptrdiff_t>(first), expected.begin() + static_cast<ptrdiff_t>(last) + 1);
      Read found = salvage(file.substr(0, from) + file.substr(from + count));
      EXPECT_EQ(found.records == expected, true) << from << " " << count;
      found = salvage(file.substr(0, from) + std::string(count, '?') + file.substr(from));
      expected = records;
      if (from % 116 != 0) expected.erase(expected.begin() + static_cast<ptrdiff_t>(first));
      EXPECT_EQ(found.records == expected, true) << from << " " << count;
    }
  }
}

TEST(Salvage, EveryPrefixKeepsItsWholeRecords) {
  const Strings records = numbered(20, 60);
  const std::string file = framed(records);
  for (size_t size = 0; size <= file.size(); ++size) {
    for (const Way way : {Way::memory, Way::pipe}) {
      const Read found = salvage(std::string_view(file).substr(0, size), way);
      EXPECT_EQ(found.records, Strings(records.begin(), records.begin() + static_cast<ptrdiff_t>(size / 76)));
      EXPECT_EQ(found.regions.size(), size % 76 == 0 ? 0u : 1u);
    }
  }
}

TEST(Salvage, ACutCompressedFileKeepsWhatCameOut) {
  const Strings records = numbered(3000, 200);
  for (const RecordCompression compression : {RecordCompression::gzip, RecordCompression::zlib, RecordCompression::zstd}) {
    const std::string bytes = compressed(framed(records), compression);
    for (const size_t size : {bytes.size() - 1, bytes.size() / 2}) {
      for (const Way way : kWays) {
        const Read found = salvage(std::string_view(bytes).substr(0, size), way);
        EXPECT_EQ(found.regions.size(), 1u);
        EXPECT_TRUE(found.status.ok());
        EXPECT_NE(found.regions.at(0).reason.message().find("ends in the middle of a"), std::string_view::npos);
        // All records but those of the last block.
        const size_t whole = found.records.size();
        EXPECT_GE(whole, size == bytes.size() / 2 ? 500u : 2000u) << compression_name(compression) << whole;
        EXPECT_EQ(found.records, Strings(records.begin(), records.begin() + static_cast<ptrdiff_t>(whole)));
      }
      const Read strict = read(*RecordReader::over(memory(std::string_view(bytes).substr(0, size))));
      EXPECT_EQ(strict.status.code(), StatusCode::data_loss);
      EXPECT_NE(strict.status.message().find(concat("record ", strict.records.size(), ": ")), std::string_view::npos)
          << strict.status.to_string();
    }
  }
}

// Each header announces a record to near the end: naively, every one of them costs a checksum of all the rest.
TEST(Salvage, FalseFramesCostNoMoreThanReadingAFewTimes) {
  std::string file = "x";
  constexpr size_t kSize = 4 << 20;
  while (file.size() < kSize) {
    char header[records::kHeaderBytes];
    records::put_header(header, kSize - file.size());
    file.append(header, sizeof(header));
  }
  file.append(100, 'x');
  records::append_record(file, "found");
  for (const Way way : kWays) {
    const auto start = std::chrono::steady_clock::now();
    const Read found = salvage(file, way);
    EXPECT_EQ(found.records, Strings{"found"});
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  }
}

TEST(Salvage, AHugeLengthCostsNoMemoryAndHidesNothing) {
  for (const uint64_t length : {uint64_t{1} << 30, uint64_t{1} << 39, ~uint64_t{0}, ~uint64_t{0} - 15}) {
    std::string file = framed({"first"}) + std::string(records::kHeaderBytes, '\0');
    records::put_header(file.data() + 21, length);
    records::append_record(file, "second");
    for (const Way way : kWays) {
      const Read found = salvage(file, way);
      EXPECT_EQ(found.records, (Strings{"first", "second"})) << length;
      EXPECT_EQ(found.regions.size(), 1u);
      EXPECT_EQ(found.regions[0].begin, 21u);
      EXPECT_EQ(found.regions[0].end, 33u);
    }
  }
}

TEST(Salvage, ARecordBeyondTheLimitIsSteppedOver) {
  const std::string file = framed({"a", std::string(5 << 20, 'x'), "b"});
  for (const Way way : kWays) {
    const Read found = salvage(file, way, 1000);
    EXPECT_EQ(found.records, (Strings{"a", "b"}));
    EXPECT_EQ(found.regions.at(0).reason.code(), StatusCode::limit_exceeded);
  }
}

TEST(Salvage, TheCallbackMayStopIt) {
  std::string file = framed({"one", "two", "three"});
  file[12] ^= 1;
  RecordReadOptions options;
  options.on_damage = [](const SkippedRegion&) { return false; };
  const Read found = read(*RecordReader::over(memory(file), options));
  EXPECT_TRUE(found.records.empty());
  EXPECT_EQ(found.status.code(), StatusCode::data_loss);
  EXPECT_EQ(found.status.offset(), 12u);
}

TEST(Records, ABombIsCalledOne) {
  Limits limits;
  limits.free_expanded_bytes = 1 << 20;
  const std::string bomb = compressed(framed({std::string(8 << 20, '\0')}), RecordCompression::gzip);
  RecordReadOptions options;
  options.limits = limits;
  options.on_damage = [](const SkippedRegion&) { return true; };
  const Read found = read(*RecordReader::over(memory(bomb), options));
  EXPECT_EQ(found.status.code(), StatusCode::limit_exceeded) << found.status.to_string();
}

TEST(Index, ReachesEachRecordAndKnowsItsFile) {
  const Strings records = numbered(300, 50);
  const Scratch scratch;
  const std::string path = scratch.file("x", framed(records));
  EXPECT_EQ(RecordIndex::open(path).status().code(), StatusCode::not_found);
  for (const auto spelling : {RecordIndex::Spelling::ours, RecordIndex::Spelling::lines}) {
    const auto built = RecordIndex::open_or_build(path);
    ASSERT_TRUE(built.ok()) << built.status().to_string();
    EXPECT_TRUE(built->was_built());
    const std::string index_path = RecordIndex::path_of(path, spelling);
    ASSERT_TRUE(built->save(index_path, spelling).ok());
    const auto index = RecordIndex::open_or_build(path);
    ASSERT_TRUE(index.ok()) << index.status().to_string();
    EXPECT_EQ(index->index_path(), index_path);
    ASSERT_EQ(index->size(), records.size());
    MutableBuffer block;
    for (const size_t i : {0u, 299u, 17u, 150u}) {
      EXPECT_EQ(index->read(i)->text(), records[i]);
      const auto data = index->read(i, block);
      EXPECT_EQ(std::string(reinterpret_cast<const char*>(data->data()), data->size()), records[i]);
      EXPECT_EQ(index->extent(i).bytes, records[i].size() + 16);
    }
    EXPECT_EQ(index->read(300).status().code(), StatusCode::invalid_argument);
    scratch.file("x", framed(numbered(301, 50)));
    EXPECT_EQ(RecordIndex::open(path).status().code(), StatusCode::invalid_argument) << "stale";
    std::string other = framed(records);
    other[20] ^= 1;  // of the same length
    scratch.file("x", other);
    const auto changed = RecordIndex::open(path);
    if (spelling == RecordIndex::Spelling::ours) {
      EXPECT_EQ(changed.status().code(), StatusCode::invalid_argument);
    } else {
      EXPECT_EQ(changed->read(0).status().code(), StatusCode::data_loss);
      EXPECT_TRUE(changed->read(1).ok());
    }
    scratch.file("x", framed(records));
    std::filesystem::remove(index_path);
  }
}

TEST(Index, OfADamagedFileHasWhatIsWhole) {
  std::string file = framed({"one", "two", "three", "four"});
  file[19 + 13] ^= 1;
  RecordIndexOptions options;
  options.verify = true;
  EXPECT_EQ(RecordIndex::build(memory(file), options).status().code(), StatusCode::data_loss);
  options.on_damage = [](const SkippedRegion&) { return true; };
  const auto built = RecordIndex::build(memory(file), options);
  ASSERT_TRUE(built.ok());
  for (const auto spelling : {RecordIndex::Spelling::ours, RecordIndex::Spelling::lines}) {
    std::string bytes;
    ASSERT_TRUE(built->write(*memory_sink(bytes), spelling).ok());
    const auto index = RecordIndex::parse(memory(file), *Buffer::copy_of(bytes));
    ASSERT_TRUE(index.ok()) << index.status().to_string();
    ASSERT_EQ(index->size(), 3u);
    EXPECT_EQ(index->read(0)->text(), "one");
    EXPECT_EQ(index->read(1)->text(), "three");
    EXPECT_EQ(index->read(2)->text(), "four");
  }
}

TEST(Index, NoChangedByteOrPrefixOfItIsBelieved) {
  const Strings records = {"one", "", "three"};
  const auto source = memory(framed(records));
  std::string bytes;
  ASSERT_TRUE(RecordIndex::build(source)->write(*memory_sink(bytes), RecordIndex::Spelling::ours).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(RecordIndex::parse(source, *Buffer::copy_of(bytes.substr(0, size))).ok()) << size;
  }
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string bad = bytes;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(RecordIndex::parse(source, *Buffer::copy_of(bad)).ok()) << bit;
  }
  for (const char* lines : {"0", "0 19 7", "a b", "0 -1", "0 8", "18446744073709551615 40", "30 99999999999999999999", "0 19\n\n19 16"}) {
    EXPECT_FALSE(RecordIndex::parse(source, *Buffer::copy_of(std::string_view(lines))).ok()) << lines;
  }
  const auto crlf = RecordIndex::parse(source, *Buffer::copy_of(std::string_view("0 19\r\n19\t16\r\n 35 21\r\n")));
  ASSERT_TRUE(crlf.ok()) << crlf.status().to_string();
  EXPECT_EQ(crlf->read(2)->text(), "three");
}

TEST(Index, OfACompressedFileIsRefused) {
  EXPECT_EQ(RecordIndex::build(memory(compressed(framed({"a"}), RecordCompression::gzip))).status().code(), StatusCode::unsupported);
}

TEST(Records, AFileThatIsCutWhileReadIsAnError) {
  const Scratch scratch;
  const std::string path = scratch.file("x", framed(numbered(10000, 700)));
  auto in = *RecordReader::open(path);
  ASSERT_TRUE(in.next());
  std::filesystem::resize_file(path, 5000);
  while (in.next()) {
  }
  EXPECT_EQ(in.status().code(), StatusCode::data_loss);
}

}  // namespace
}  // namespace ferry
