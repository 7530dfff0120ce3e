#include "wire/protobuf.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "wire/utf8.h"

namespace ferry::proto {
namespace {

TEST(Protobuf, VarintsRoundTripAtEveryLength) {
  for (int bit = 0; bit < 64; ++bit) {
    for (uint64_t value : {uint64_t{1} << bit, (uint64_t{1} << bit) - 1, ~uint64_t{0} >> bit}) {
      std::string out;
      append_varint(out, value);
      EXPECT_EQ(out.size(), varint_size(value));
      out.insert(0, 1, '\x08');
      Reader in(out);
      ASSERT_TRUE(in.next());
      EXPECT_EQ(in.varint(), value);
      EXPECT_FALSE(in.next());
      EXPECT_TRUE(in.ok());
    }
  }
}

TEST(Protobuf, ZigzagIsItsOwnInverse) {
  for (int64_t value : {int64_t{0}, int64_t{-1}, int64_t{1}, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    EXPECT_EQ(zigzag_decode(zigzag_encode(value)), value);
  }
  EXPECT_EQ(zigzag_encode(-1), 1u);
}

TEST(Protobuf, ReadsEachWireTypeAndSkipsTheRest) {
  std::string out;
  append_varint_field(out, 1, 300);
  append_bytes_field(out, 2, "inner");
  append_fixed_field(out, 3, 2.5f);
  append_fixed_field(out, 4, -2.5);
  append_varint_field(out, 99, 1);
  out += std::string("\x2b\x33\x34\x2c", 4);  // group 5 { group 6 {} }
  append_varint_field(out, 1, 7);
  Reader in(out);
  uint64_t last = 0;
  std::string_view text;
  float f = 0;
  double d = 0;
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(1): last = in.varint(); break;
      case bytes_tag(2): text = in.text(); break;
      case fixed32_tag(3): f = in.float32(); break;
      case fixed64_tag(4): d = in.float64(); break;
      default: in.skip();
    }
  }
  ASSERT_TRUE(in.ok()) << in.status().to_string();
  EXPECT_EQ(last, 7u);
  EXPECT_EQ(text, "inner");
  EXPECT_EQ(f, 2.5f);
  EXPECT_EQ(d, -2.5);
}

std::string error_of(std::string_view bytes) {
  Reader in(bytes, 100);
  while (in.next()) in.skip();
  return in.status().to_string();
}

TEST(Protobuf, ErrorsNameTheirOffset) {
  EXPECT_EQ(error_of(std::string("\x00", 1)).substr(0, 22), "data_loss: at byte 100");
  EXPECT_EQ(error_of("\x08\x80").substr(0, 22), "data_loss: at byte 101");
  EXPECT_NE(error_of("\x12\x05"
                     "ab")
                .find("announces 5 bytes, only 2 remain"),
            std::string::npos);
  EXPECT_NE(error_of("\x0c").find("closes no group"), std::string::npos);
  EXPECT_NE(error_of("\x0b").find("not closed"), std::string::npos);
  EXPECT_NE(error_of("\x0b\x14").find("closes no group"), std::string::npos);
  EXPECT_NE(error_of(std::string(200, '\x0b')).find("nested deeper than 100"), std::string::npos);
  EXPECT_NE(error_of("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").find("longer than ten bytes"), std::string::npos);
  EXPECT_NE(error_of(std::string_view("\x0a\x80\x80\x80\x80\x80\x00", 7)).find("more than five bytes"), std::string::npos);
  EXPECT_EQ(error_of(std::string_view("\x0a\x80\x80\x80\x80\x00", 6)), "ok");
  EXPECT_NE(error_of("\x0f").find("wire type 7"), std::string::npos);
}

TEST(Utf8, FindsTheFirstBadByte) {
  EXPECT_TRUE(is_utf8("plain ascii, longer than eight bytes"));
  EXPECT_TRUE(is_utf8("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (std::string_view bad : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x98", "\xff"}) {
    EXPECT_EQ(find_invalid_utf8("0123456789" + std::string(bad)), 10u);
  }
  for (uint32_t point : {0x41u, 0xe9u, 0x20acu, 0x1f600u}) {
    std::string out;
    append_utf8(out, point);
    EXPECT_TRUE(is_utf8(out));
  }
}

}  // namespace
}  // namespace ferry::proto
