#include "wire/number.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "ferry/status.h"
#include "gtest/gtest.h"
#include "wire/float_layout.h"

namespace ferry {
namespace {

// Parses from a block of exactly the text's size, so that a sanitizer sees any look past the end.
template <class T>
const char* parse_exact(const std::string& text, T& out, size_t& used) {
  std::vector<char> bytes(text.begin(), text.end());
  const char* after = parse_number(bytes.data(), bytes.data() + bytes.size(), out);
  used = after == nullptr ? 0 : static_cast<size_t>(after - bytes.data());
  return after;
}

template <class T>
std::string parsed(const std::string& text) {
  T value{};
  size_t used;
  if (parse_exact(text, value, used) == nullptr) return "none";
  char out[kNumberText];
  std::string shown(out, print_number(out, value));
  if (used != text.size()) shown = concat(shown, '|', text.substr(used));
  return shown;
}

// strtod and strtof round correctly in the C library that this is built with.
template <class T>
void expect_same_as_library(const std::string& text) {
  char* after;
  const T expected = std::is_same_v<T, float> ? std::strtof(text.c_str(), &after) : static_cast<T>(std::strtod(text.c_str(), &after));
  T value{};
  size_t used;
  ASSERT_NE(parse_exact(text, value, used), nullptr) << text;
  EXPECT_EQ(used, static_cast<size_t>(after - text.c_str())) << text;
  EXPECT_TRUE(value == expected && std::signbit(value) == std::signbit(expected)) << text << ": " << value << " for " << expected;
}

TEST(ParseIntegerTest, ReadsEveryLengthAndStopsAtTheFirstOtherByte) {
  EXPECT_EQ(parsed<int64_t>("0"), "0");
  EXPECT_EQ(parsed<int64_t>("7,8"), "7|,8");
  EXPECT_EQ(parsed<int64_t>("12345678"), "12345678");
  EXPECT_EQ(parsed<int64_t>("123456789 "), "123456789| ");
  EXPECT_EQ(parsed<int64_t>("1234567890123456 7"), "1234567890123456| 7");
  EXPECT_EQ(parsed<int64_t>("+5"), "5");
  EXPECT_EQ(parsed<int64_t>("-5\xff\xff\xff\xff\xff\xff\xff"), "-5|\xff\xff\xff\xff\xff\xff\xff");
  EXPECT_EQ(parsed<int64_t>("00000000000000000000000000012"), "12");
  std::string digits;
  for (int i = 0; i < 18; ++i) {
    digits += static_cast<char>('1' + i % 9);
    EXPECT_EQ(parsed<int64_t>(digits), digits);
    EXPECT_EQ(parsed<int64_t>(concat('-', digits, ":x")), concat('-', digits, "|:x"));
    EXPECT_EQ(parsed<uint64_t>(digits), digits);
  }
}

TEST(ParseIntegerTest, TakesTheWholeRangeAndNothingBeyond) {
  EXPECT_EQ(parsed<int64_t>("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(parsed<int64_t>("-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(parsed<int64_t>("9223372036854775808"), "none");
  EXPECT_EQ(parsed<int64_t>("-9223372036854775809"), "none");
  EXPECT_EQ(parsed<int64_t>("99999999999999999999"), "none");
  EXPECT_EQ(parsed<uint64_t>("18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(parsed<uint64_t>("18446744073709551616"), "none");
  EXPECT_EQ(parsed<uint64_t>("-1"), "none");
  EXPECT_EQ(parsed<uint64_t>("-0"), "0");
}

TEST(ParseIntegerTest, RefusesWhatIsNoNumber) {
  for (const char* text : {"", "-", "+", "x", " 1", "--1", "+-1", "/", ":", "."}) {
    EXPECT_EQ(parsed<int64_t>(text), "none") << text;
    EXPECT_EQ(parsed<uint64_t>(text), "none") << text;
  }
}

TEST(ParseFloatTest, ReadsEverySpelling) {
  EXPECT_EQ(parsed<double>("1."), "1");
  EXPECT_EQ(parsed<double>(".5"), "0.5");
  EXPECT_EQ(parsed<double>("+1.25e+2x"), "125|x");
  EXPECT_EQ(parsed<double>("-0"), "-0");
  EXPECT_EQ(parsed<double>("-0.000e50"), "-0");
  EXPECT_EQ(parsed<double>("1e"), "1|e");
  EXPECT_EQ(parsed<double>("1e+"), "1|e+");
  EXPECT_EQ(parsed<double>("1.5.5"), "1.5|.5");
  EXPECT_EQ(parsed<double>("0x10"), "0|x10");
  EXPECT_EQ(parsed<double>("NaN"), "nan");
  EXPECT_EQ(parsed<double>("-nan"), "nan");
  EXPECT_EQ(parsed<double>("Infinity"), "inf");
  EXPECT_EQ(parsed<double>("-INF"), "-inf");
  EXPECT_EQ(parsed<double>("+inf,"), "inf|,");
  for (const char* text : {"", "-", "+", ".", "-.", "e5", ".e5", "na", "in", "x", " 1", "+-1", "--1"}) {
    EXPECT_EQ(parsed<double>(text), "none") << text;
    EXPECT_EQ(parsed<float>(text), "none") << text;
  }
}

TEST(ParseFloatTest, TooLargeIsInfinityAndTooSmallIsZero) {
  EXPECT_EQ(parsed<double>("1e309"), "inf");
  EXPECT_EQ(parsed<double>("-1e99999999999999999999"), "-inf");
  EXPECT_EQ(parsed<double>("1e-400"), "0");
  EXPECT_EQ(parsed<double>("-1e-99999999999999999999"), "-0");
  EXPECT_EQ(parsed<double>(std::string(400, '9')), "inf");
  EXPECT_EQ(parsed<double>(concat("0.", std::string(400, '0'), "1")), "0");
  EXPECT_EQ(parsed<double>(concat("0.", std::string(400, '0'), "1e401")), "1");
  EXPECT_EQ(parsed<double>(concat("1", std::string(400, '0'), "e-400")), "1");
  EXPECT_EQ(parsed<double>("0e99999"), "0");
  EXPECT_EQ(parsed<float>("3.5e38"), "inf");
  EXPECT_EQ(parsed<float>("1e-50"), "0");
  EXPECT_EQ(parsed<float>("1e-45"), "1e-45");
}

TEST(ParseFloatTest, RoundsToNearestWhereItIsHard) {
  for (const char* text : {"9007199254740993", "9007199254740992.5", "1.7976931348623157e308", "2.2250738585072011e-308", "5e-324", "0.1",
                           "123456789012345678e-19", "18446744073709551615e-3", "9999999999999999999e19", "1e22", "1e23", "8.5",
                           "0.30000000000000004", "6.0221407623e23", "9007199254740993e-19", "4503599627370496.5", "4503599627370497.5",
                           "1125899906842624.125", "1125899906842624.375"}) {
    expect_same_as_library<double>(text);
    expect_same_as_library<float>(text);
  }
  // Between two floats, and just beside: 2^24 + 1, and with a tail that a double drops.
  for (const char* text :
       {"16777217", "16777217.0000000001", "16777216.9999999999", "1.00000005960464477539062500", "1.00000005960464477539062501",
        "1.00000005960464477539062499", "1.1754943e-38", "1.4e-45", "7e-46", "3.4028235677973366e38", "3.4028235677973362e38"}) {
    expect_same_as_library<float>(text);
  }
}

// FERRY_CASES multiplies the random cases: 100 makes tens of millions of them.
int cases(int usual) {
  const char* times = std::getenv("FERRY_CASES");
  return times == nullptr ? usual : usual * std::atoi(times);
}

TEST(ParseFloatTest, AgreesWithTheLibraryOnRandomText) {
  std::mt19937_64 random(7);
  for (int i = 0; i < cases(100'000); ++i) {
    const int range = random() % 2 ? 30 : 350;
    std::string text = concat(random() >> (random() % 64));
    if (random() % 8 == 0) text += concat(random());
    if (random() % 2) text.insert(text.begin() + static_cast<int64_t>(random() % (text.size() + 1)), '.');
    if (random() % 2) text += concat('e', static_cast<int>(random() % static_cast<unsigned>(2 * range)) - range);
    if (text[0] == 'e' || text == "." || text.starts_with(".e")) continue;
    if (random() % 3 == 0) text = concat('-', text);
    expect_same_as_library<double>(text);
    expect_same_as_library<float>(text);
    if (testing::Test::HasFailure()) break;
  }
}

// All digits of the point half way between two floats, then a little less and a little more.
template <class T, class Wide>
void expect_ties_round_to_even(int count, const char* format) {
  using Bits = typename number::FloatLayout<T>::Bits;
  std::mt19937_64 random(13);
  std::vector<char> buffer(1500);
  for (int i = 0; i < count; ++i) {
    const auto bits = static_cast<Bits>(random()) & static_cast<Bits>(~Bits{0} >> 1);
    const T below = std::bit_cast<T>(bits), above = std::bit_cast<T>(bits + 1);
    if (!std::isfinite(below) || !std::isfinite(above)) continue;
    const Wide middle = (static_cast<Wide>(below) + static_cast<Wide>(above)) / 2;
    std::string text(buffer.data(), static_cast<size_t>(std::snprintf(buffer.data(), buffer.size(), format, middle)));
    const size_t end = std::min(text.find('e'), text.size());
    expect_same_as_library<T>(text);
    if (text.find('.') != std::string::npos) expect_same_as_library<T>(std::string(text).insert(end, "00000000000000000000000000001"));
    size_t last = end - 1;
    while (text[last] == '0' || text[last] == '.') --last;
    --text[last];
    expect_same_as_library<T>(text);
    if (testing::Test::HasFailure()) break;
  }
}

TEST(ParseFloatTest, RoundsTiesToEven) {
  expect_ties_round_to_even<float, double>(cases(20'000), "%.160g");
  expect_ties_round_to_even<double, long double>(cases(1'000), "%.1100Lg");
}

template <class T, class Bits>
void expect_round_trips() {
  std::mt19937_64 random(11);
  char buffer[kNumberText];
  for (int i = 0; i < cases(100'000); ++i) {
    const T value = std::bit_cast<T>(static_cast<Bits>(random()));
    char* end = print_number(buffer, value);
    ASSERT_LE(static_cast<size_t>(end - buffer), kNumberText);
    T back;
    ASSERT_EQ(parse_number(buffer, end, back), end) << std::string(buffer, end);
    if (value == value) {
      ASSERT_EQ(std::bit_cast<Bits>(back), std::bit_cast<Bits>(value)) << std::string(buffer, end);
    } else {
      ASSERT_NE(back, back);
    }
  }
}

TEST(PrintNumberTest, EveryValueComesBackBitForBit) {
  expect_round_trips<double, uint64_t>();
  expect_round_trips<float, uint32_t>();
  expect_round_trips<int64_t, uint64_t>();
  expect_round_trips<uint64_t, uint64_t>();
}

// Values of all sizes, and such as people write.
template <class T>
T some_value(std::mt19937_64& random) {
  using Bits = typename number::FloatLayout<T>::Bits;
  switch (random() % 5) {
    case 0: return std::bit_cast<T>(static_cast<Bits>(random()));
    case 1: return static_cast<T>(static_cast<double>(static_cast<int64_t>(random())) / static_cast<double>(uint64_t{1} << random() % 64));
    case 2: return static_cast<T>(static_cast<int64_t>(random()) >> random() % 64);
    case 3: return static_cast<T>(std::ldexp(1.0, static_cast<int>(random() % 300) - 150));
    default: return static_cast<T>(static_cast<double>(random() % 1'000'000) / std::pow(10.0, static_cast<double>(random() % 12)));
  }
}

template <class T>
void expect_printed_as_by_library() {
  std::mt19937_64 random(17);
  char ours[kNumberText], json[kNumberText], theirs[2 * kNumberText];
  for (int i = 0; i < cases(200'000); ++i) {
    const T value = some_value<T>(random);
    if (!std::isfinite(value)) continue;
    std::string expected(theirs, std::to_chars(theirs, theirs + sizeof(theirs), value).ptr);
    ASSERT_EQ(std::string(ours, print_number(ours, value)), expected);
    if (expected.find_first_of(".e") == std::string::npos) expected += ".0";
    ASSERT_EQ(std::string(json, print_json_number(json, value)), expected);
  }
}

TEST(PrintNumberTest, FloatsAreWrittenAsTheStandardSays) {
  expect_printed_as_by_library<double>();
  expect_printed_as_by_library<float>();
}

TEST(PrintNumberTest, JsonShowsAFloatToBeOne) {
  const auto json = [](auto value) {
    char out[kNumberText];
    return std::string(out, print_json_number(out, value));
  };
  EXPECT_EQ(json(0.0f), "0.0");
  EXPECT_EQ(json(-0.0), "-0.0");
  EXPECT_EQ(json(100.0f), "100.0");
  EXPECT_EQ(json(1e20f), "1e+20");
  EXPECT_EQ(json(1e-5), "1e-05");
  EXPECT_EQ(json(123456789012.0f), "123456790528.0");
  EXPECT_EQ(json(std::nanf("")), "NaN");
  EXPECT_EQ(json(HUGE_VALF), "Infinity");
  EXPECT_EQ(json(-HUGE_VAL), "-Infinity");
  EXPECT_EQ(json(5e-324), "5e-324");
  EXPECT_EQ(json(1.7976931348623157e308), "1.7976931348623157e+308");
}

}  // namespace
}  // namespace ferry
