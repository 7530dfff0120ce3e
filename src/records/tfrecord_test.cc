#include "records/tfrecord.h"

#include <gtest/gtest.h>

#include <vector>

#include "ferry/records.h"

namespace ferry::records {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<std::string> read(std::string_view file, Status& status) {
  std::vector<std::string> out;
  FrameReader in(bytes_of(file));
  while (in.next()) out.emplace_back(reinterpret_cast<const char*>(in.data().data()), in.data().size());
  status = in.status();
  return out;
}

std::vector<std::string> stream(std::string_view file, Status& status) {
  std::vector<std::string> out;
  auto opened = RecordReader::over(stream_of(memory_source(*Buffer::copy_of(file))), "x");
  RecordReader& in = *opened;
  while (in.next()) out.emplace_back(in.text());
  status = in.status();
  return out;
}

std::string sample() {
  std::string file;
  append_record(file, "one");
  append_record(file, "");
  append_record(file, std::string(1 << 20, 'x'));
  append_record(file, "last");
  return file;
}

TEST(TFRecord, TheFrameIsTensorFlows) {
  std::string file;
  append_record(file, "a");  // from tf.io.TFRecordWriter
  EXPECT_EQ(file, std::string("\x01\0\0\0\0\0\0\0\x01\x75\xde\x41"
                              "a\x78\x6e\xe4\x28",
                              17));
}

TEST(TFRecord, RecordsComeBackFromMemoryAndStream) {
  const std::string file = sample();
  for (auto* reader : {&read, &stream}) {
    Status status;
    const auto records = reader(file, status);
    EXPECT_TRUE(status.ok()) << status.to_string();
    ASSERT_EQ(records.size(), 4u);
    EXPECT_EQ(records[0], "one");
    EXPECT_EQ(records[1], "");
    EXPECT_EQ(records[2].size(), size_t{1} << 20);
    EXPECT_EQ(records[3], "last");
    EXPECT_TRUE(reader("", status).empty());
    EXPECT_TRUE(status.ok());
  }
}

TEST(TFRecord, BothReadersSayTheSameOfDamage) {
  std::string file;
  append_record(file, "one");
  append_record(file, "two");
  for (size_t size = 0; size < file.size(); ++size) {
    Status a, b;
    EXPECT_EQ(read(std::string_view(file).substr(0, size), a), stream(std::string_view(file).substr(0, size), b));
    EXPECT_EQ(a.to_string(), b.to_string());
    EXPECT_EQ(a.ok(), size == 0 || size == 19) << size;
  }
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    std::string bad = file;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    Status a, b;
    EXPECT_EQ(read(bad, a), stream(bad, b));
    EXPECT_EQ(a.to_string(), b.to_string());
    EXPECT_EQ(a.code(), StatusCode::data_loss) << "a flipped bit must be noticed";
    EXPECT_NE(a.message().find(bit / 8 < 19 ? "record 0" : "record 1"), std::string_view::npos);
  }
}

TEST(TFRecord, AHugeLengthCostsNothing) {
  std::string file(kHeaderBytes, '\0');
  put_header(file.data(), uint64_t{1} << 30);
  Status status;
  EXPECT_TRUE(stream(file, status).empty());
  EXPECT_NE(status.message().find("only 0 bytes remain"), std::string_view::npos) << status.to_string();
  put_header(file.data(), ~uint64_t{0});
  EXPECT_TRUE(read(file, status).empty());
  EXPECT_EQ(status.code(), StatusCode::data_loss);
  EXPECT_TRUE(stream(file, status).empty());
  EXPECT_EQ(status.code(), StatusCode::limit_exceeded);
}

}  // namespace
}  // namespace ferry::records
