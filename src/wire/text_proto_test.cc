#include "wire/text_proto.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "wire/protobuf.h"

namespace ferry::textproto {
namespace {

extern const Message kNode;
const EnumValue kColours[] = {{"RED", 0}, {"BLUE", 5}, {"NEGATIVE", -2}};
const Enum kColour{"test.Colour", kColours};
const Field kFields[] = {
    {"i", 1, Type::int32, false},
    {"name", 2, Type::text, false},
    {"child", 3, Type::message, true, &kNode},
    {"f", 4, Type::float32, true},
    {"colour", 5, Type::enumeration, false, nullptr, &kColour},
    {"s", 6, Type::sint64, false},
    {"u", 7, Type::uint32, false},
    {"flag", 8, Type::boolean, true},
    {"d", 9, Type::float64, true},
    {"many", 10, Type::int64, true},
    {"raw", 11, Type::bytes, false},
    {"x", 12, Type::fixed32, false},
};
const Message kNode{"test.Node", kFields};
const Field kAnyFields[] = {{"type_url", 1, Type::text, false}, {"value", 2, Type::bytes, false}};
const Message kAny{"google.protobuf.Any", kAnyFields};
const Message* const kKnown[] = {&kNode};

std::string wire(std::string_view text, const Message& message = kNode) {
  auto out = to_wire(text, message, kKnown);
  return out.ok() ? *out : "error: " + std::string(out.status().message());
}
std::string varint(uint32_t field, uint64_t value) {
  std::string out;
  proto::append_varint_field(out, field, value);
  return out;
}
std::string bytes(uint32_t field, std::string_view value) {
  std::string out;
  proto::append_bytes_field(out, field, value);
  return out;
}
template <class T>
std::string fixed(uint32_t field, T value) {
  std::string out;
  proto::append_fixed_field(out, field, value);
  return out;
}

TEST(TextProto, ScalarsOfEveryTypeGoToTheirWireTypes) {
  EXPECT_EQ(wire("i: -1"), varint(1, ~uint64_t{0}));
  EXPECT_EQ(wire("i: 0x7f u: 4294967295 s: -3 x: 017"), varint(1, 127) + varint(7, 4294967295u) + varint(6, 5) + fixed<uint32_t>(12, 15));
  EXPECT_EQ(wire("flag: true flag: f flag: 1 flag: False"), varint(8, 1) + varint(8, 0) + varint(8, 1) + varint(8, 0));
  EXPECT_EQ(wire("f: 1.5 f: -2f f: inf d: -infinity d: 1e-3"), fixed(4, 1.5f) + fixed(4, -2.f) +
                                                                   fixed(4, std::numeric_limits<float>::infinity()) +
                                                                   fixed(9, -std::numeric_limits<double>::infinity()) + fixed(9, 1e-3));
  EXPECT_EQ(wire("colour: BLUE"), varint(5, 5));
  EXPECT_EQ(wire("colour: NEGATIVE"), varint(5, static_cast<uint64_t>(-2)));
  EXPECT_EQ(wire("colour: 5"), varint(5, 5));
  EXPECT_EQ(wire("many: [1, -2,3]"), varint(10, 1) + varint(10, static_cast<uint64_t>(-2)) + varint(10, 3));
  EXPECT_EQ(wire("many: []"), "");
}

TEST(TextProto, StringsKeepTheirBytes) {
  EXPECT_EQ(wire(R"(name: "a\n\"\\\'\t\101\x41z")"), bytes(2, "a\n\"\\'\tAAz"));
  EXPECT_EQ(wire("name: 'one' \"two\"\n 'three'"), bytes(2, "onetwothree"));
  EXPECT_EQ(wire(R"(raw: "\000\377")"), bytes(11, std::string("\0\xff", 2)));
  EXPECT_EQ(wire(R"(name: "\u00e9\U0001F600")"), bytes(2, "\xc3\xa9\xf0\x9f\x98\x80"));
}

TEST(TextProto, MessagesNestInBracesAnglesAndLists) {
  const std::string inner = bytes(3, varint(1, 1));
  EXPECT_EQ(wire("child { i: 1 }"), inner);
  EXPECT_EQ(wire("child: < i: 1 >"), inner);
  EXPECT_EQ(wire("child: [{i:1}, {i:1;}],"), inner + inner);
  EXPECT_EQ(wire("# a comment\nchild { child { name: \"" + std::string(300, 'x') + "\" } } # end"),
            bytes(3, bytes(3, bytes(2, std::string(300, 'x')))));
  EXPECT_EQ(wire("child {}"), bytes(3, ""));
  EXPECT_EQ(wire(""), "");
}

TEST(TextProto, AnyIsExpandedWhereItsTypeIsKnown) {
  EXPECT_EQ(wire("[type.googleapis.com/test.Node] { i: 3 }", kAny), bytes(1, "type.googleapis.com/test.Node") + bytes(2, varint(1, 3)));
  EXPECT_NE(wire("[type.googleapis.com/test.Other] { i: 3 }", kAny).find("is not known"), std::string::npos);
}

TEST(TextProto, MistakesAreNamedWithLineAndColumn) {
  const auto message = [](std::string_view text) { return wire(text).substr(7); };
  EXPECT_EQ(message("i: 1\n  nam: 2"), "line 2, column 3: test.Node has no field 'nam'");
  EXPECT_EQ(message("i: 1 i: 2"), "line 1, column 6: the field 'i' of test.Node is given twice");
  EXPECT_EQ(message("i 1"), "line 1, column 3: found '1', expected ':' and the value of 'i'");
  EXPECT_EQ(message("i: 2147483648"), "line 1, column 4: the number does not fit the field 'i'");
  EXPECT_EQ(message("u: -1"), "line 1, column 4: the number does not fit the field 'u'");
  EXPECT_EQ(message("i: 99999999999999999999"), "line 1, column 4: an integer of more than 64 bits");
  EXPECT_EQ(message("colour: GREEN"), "line 1, column 9: test.Colour has no value 'GREEN'");
  EXPECT_EQ(message("name: \"a\nb\""), "line 1, column 7: a text in quotes does not end on its line");
  EXPECT_EQ(message("child { i: 1"), "line 1, column 13: found the end of the text, expected a field of test.Node or '}'");
  EXPECT_EQ(message("flag: yes"), "line 1, column 7: found 'yes', expected true or false for the field 'flag'");
  EXPECT_EQ(message("i: [1]"), "line 1, column 4: a list stands for the field 'i', which is not repeated");
  EXPECT_EQ(message("f: +1"), "line 1, column 4: found '+', expected a number");
  EXPECT_EQ(message("name: \"\\q\""), "line 1, column 8: the escape '\\q' is not one of the text format");
}

TEST(TextProto, DeepNestingIsLimited) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "child{";
  EXPECT_EQ(to_wire(text, kNode).status().code(), StatusCode::limit_exceeded);
}

TEST(TextProto, FirstFieldLooksBehindComments) {
  EXPECT_EQ(first_field("# x\n\n node {"), "node");
  EXPECT_EQ(first_field("node: 1"), "node");
  EXPECT_EQ(first_field("node is"), "");
  EXPECT_EQ(first_field("\x08\x01"), "");
}

}  // namespace
}  // namespace ferry::textproto
