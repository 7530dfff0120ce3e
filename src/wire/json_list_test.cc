#include "wire/json_list.h"

#include <charconv>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "ferry/status.h"
#include "gtest/gtest.h"
#include "hwy/targets.h"
#include "wire/number.h"

namespace ferry::json {
namespace {

// Once for each kind of processor that this one can act as.
template <class Test>
void for_each_target(Test test) {
  for (int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    const int64_t target = targets & -targets;
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    test();
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().DeInit();
  }
}

template <class T>
struct Parsed {
  NumberRun run;
  std::vector<T> values;
  std::string rest;  // from where the run ended
};

// In a block of exactly the text's size, so that a sanitizer sees any look past the end.
template <class T>
Parsed<T> parse(const std::string& text, int64_t row = -1, bool negative = true, size_t room = 1000) {
  const std::vector<char> bytes(text.begin(), text.end());
  Parsed<T> out{{bytes.data(), bytes.data()}, std::vector<T>(room), ""};
  out.run.row = row;
  out.run.negative = negative;
  out.values.resize(parse_list(out.run, bytes.data() + bytes.size(), out.values.data(), room));
  out.rest = text.substr(static_cast<size_t>(out.run.at - bytes.data()));
  return out;
}

std::string some_number(std::mt19937_64& random, bool integer) {
  char text[kNumberText];
  const auto size = static_cast<double>(random() % 2000) / 100 - 10;
  switch (integer ? random() % 2 : random() % 7) {
    case 0: return concat(static_cast<int64_t>(random()) >> random() % 64);
    case 1: return concat(static_cast<int64_t>(random() % 20) - 10);
    case 2: return {text, print_json_number(text, static_cast<float>(size))};
    case 3: return {text, print_json_number(text, std::pow(10.0, size) * (random() % 2 ? 1 : -1))};
    case 4: return {text, print_json_number(text, static_cast<float>(std::pow(10.0, size * 3)))};
    case 5: return concat(random() % 2 ? "" : "-", random() % 1000, '.', random(), random() % 3 ? "" : concat(random()));
    default: return concat(random() % 100, '.', random() % 100, random() % 2 ? "e" : "E", random() % 3 ? "-" : "+", random() % 30);
  }
}

template <class T>
void expect_reads_lists() {
  std::mt19937_64 random(23);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    std::vector<T> expected;
    const size_t count = 1 + random() % 40, columns = round % 2 ? 1 + random() % 5 : 0;
    for (size_t i = 0; i < count; ++i) {
      const std::string number = some_number(random, std::is_integral_v<T>);
      T value;
      ASSERT_NE(parse_number(number.data(), number.data() + number.size(), value), nullptr);
      if (i > 0)
        text += columns != 0 && i % columns == 0 ? (random() % 3 ? "], [" : "] ,\n [\t")
                                                 : (random() % 3   ? ", "
                                                    : random() % 2 ? ","
                                                                   : " ,\n  ");
      expected.push_back(value);
      text += number;
    }
    const auto got = parse<T>(text + "]", columns == 0 ? -1 : static_cast<int64_t>(columns));
    ASSERT_EQ(got.rest, "]") << text;
    ASSERT_FALSE(got.run.before);
    ASSERT_EQ(got.values, expected) << text;
    ASSERT_EQ(got.run.rows, columns == 0 ? 0 : static_cast<int64_t>((count - 1) / columns)) << text;
    ASSERT_EQ(got.run.current, static_cast<int64_t>(columns == 0 ? count : (count - 1) % columns + 1)) << text;
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_EQ(std::signbit(static_cast<double>(got.values[i])), std::signbit(static_cast<double>(expected[i])));
  }
}

TEST(JsonList, NumbersAreReadAsOneByOne) {
  for_each_target([] {
    expect_reads_lists<float>();
    expect_reads_lists<double>();
    expect_reads_lists<int64_t>();
  });
}

TEST(JsonList, ARunEndsWhereCareIsNeeded) {
  for_each_target([] {
    // Behind room for a whole register, and at the very end.
    for (const std::string tail : {"", ", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]"}) {
      for (const char* bad : {"01",    "-",   "1.",  "1.e5", "1e",  "1e+",   "NaN", "Infinity", "-Infinity", "1..2",
                              "1.2.3", "--1", "1-2", "1/2",  "-.5", "1e999", "00",  "-01.5",    "1.5.",      "0/0"}) {
        const auto got = parse<double>(concat("1.5, ", bad, tail));
        // Where a number can be split off, what follows it is the caller's to refuse.
        const bool split =
            got.values.size() == 2 && !got.run.before && !got.rest.empty() && std::string("-./").find(got.rest[0]) != std::string::npos;
        EXPECT_TRUE(split || (got.values.size() == 1 && got.run.before && got.rest == bad + tail)) << bad << " -> " << got.rest;
      }
      for (const char* other : {"]", ",]", ", ]", ", \"a\"", ", [1]", ", null", ", +1", ", .5", " x", "x", "] ]", "], 1"}) {
        const auto got = parse<float>(concat("1.5", other, tail), 1);
        EXPECT_EQ(got.rest, other + tail);
        EXPECT_FALSE(got.run.before);
        EXPECT_EQ(got.values.size(), 1u);
      }
      EXPECT_EQ(parse<int64_t>("5, 1.5" + tail).rest, "1.5" + tail);
      EXPECT_EQ(parse<int64_t>("5, 1e5" + tail).rest, "1e5" + tail);
      EXPECT_EQ(parse<int64_t>("5, 9223372036854775808" + tail).rest, "9223372036854775808" + tail);
      EXPECT_EQ(parse<int64_t>("5, -3" + tail, -1, false).rest, "-3" + tail);
      EXPECT_EQ(parse<float>("5, 3.5e38" + tail).rest, "3.5e38" + tail);
      EXPECT_EQ(parse<float>("[5, 6], [7]" + tail).rest, "[5, 6], [7]" + tail);
      EXPECT_EQ(parse<float>("5, 6], [7" + tail, 3).rest, "], [7" + tail);
    }
    const auto full = parse<float>("1, 2,\n 3, 4]", -1, true, 2);
    EXPECT_TRUE(full.run.before);
    EXPECT_EQ(full.rest, "3, 4]");
    const auto last = parse<float>("1, 2, \"a\"]", -1, true, 2);
    EXPECT_FALSE(last.run.before);
    EXPECT_EQ(last.rest, ", \"a\"]");
  });
}

TEST(JsonList, FloatsAreWrittenAsOneByOne) {
  for_each_target([] {
    std::mt19937_64 random(29);
    std::vector<float> values;
    for (int i = 0; i < 20'000; ++i) {
      const auto bits = static_cast<uint32_t>(random());
      values.push_back(i % 4 == 0   ? std::bit_cast<float>(bits)
                       : i % 4 == 1 ? static_cast<float>(bits % 1000) / 8
                       : i % 4 == 2 ? std::ldexp(1.0f, static_cast<int>(bits % 60) - 30)
                                    : static_cast<float>(static_cast<int32_t>(bits)) * 1e-9f);
    }
    std::string expected;
    for (size_t i = 0; i < values.size(); ++i) {
      char text[kNumberText];
      expected.append(text, print_json_number(text, values[i]));
      expected += i % 7 == 6 ? "], [" : ", ";
    }
    std::string got(values.size() * kListItem + kListSlack, '\0');
    size_t left = 7;
    char* at = print_list(got.data(), values.data(), 100, 7, left);
    at = print_list(at, values.data() + 100, values.size() - 100, 7, left);
    got.resize(static_cast<size_t>(at - got.data()));
    EXPECT_EQ(got, expected);
    EXPECT_EQ(left, 7 - values.size() % 7);
  });
}

}  // namespace
}  // namespace ferry::json
