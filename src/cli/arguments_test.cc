#include "cli/arguments.h"

#include <gtest/gtest.h>

#include "cli/command.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"limit", 'n', Takes::integer, "N", ""},
    {"all", 'a', Takes::nothing, "", ""},
    {"set", 's', Takes::text, "KEY=VALUE", "", true},
    {"dtype", 0, Takes::dtype, "DTYPE", ""},
};
constexpr Command kCommand = {.group = Group::other,
                              .name = "two words",
                              .summary = "",
                              .usage = "A [B]",
                              .options = kOptions,
                              .reads = false,
                              .writes = false,
                              .least = 1,
                              .most = 2,
                              .details = "",
                              .example = "",
                              .run = nullptr};

struct Parsed {
  std::optional<Arguments> arguments;
  std::string errors;
};
Parsed parse(std::vector<std::string_view> words) {
  Printer out, err;
  Context context(out, err);
  context.command = &kCommand;
  auto arguments = Arguments::parse(context, kCommand, words);
  EXPECT_EQ(context.exit_code(), arguments ? 0 : kUsage);
  return {std::move(arguments), err.kept()};
}

TEST(Arguments, LongAndShortFormsOfAValue) {
  for (const auto& words : std::vector<std::vector<std::string_view>>{
           {"x", "--limit=-5"}, {"x", "--limit", "-5"}, {"x", "-n", "-5"}, {"x", "-n-5"}, {"-an-5", "x"}, {"-a", "-n", "-5", "--", "x"}}) {
    const auto parsed = parse(words);
    ASSERT_TRUE(parsed.arguments) << parsed.errors;
    EXPECT_EQ(parsed.arguments->integer("limit", 0), -5);
    EXPECT_EQ(parsed.arguments->words().size(), 1u);
  }
}
TEST(Arguments, TwoDashesEndTheOptionsAndOneIsAWord) {
  const auto parsed = parse({"-", "--", "--limit"});
  ASSERT_TRUE(parsed.arguments);
  EXPECT_EQ(parsed.arguments->words()[0], "-");
  EXPECT_EQ(parsed.arguments->words()[1], "--limit");
}
TEST(Arguments, RepeatableOptionsKeepTheirOrder) {
  const auto parsed = parse({"x", "-sa=1", "--set", "b=2", "--set=c=3"});
  ASSERT_TRUE(parsed.arguments);
  EXPECT_EQ(parsed.arguments->all("set"), (std::vector<std::string_view>{"a=1", "b=2", "c=3"}));
}
TEST(Arguments, MistakesAreUsageErrors) {
  for (const auto& [words, expected] : std::vector<std::pair<std::vector<std::string_view>, std::string_view>>{
           {{}, "needs A [B], got 0 words"},
           {{"a", "b", "c"}, "unexpected word 'c'"},
           {{"a", "--limit"}, "--limit needs a value: N"},
           {{"a", "-n"}, "-n needs a value: N"},
           {{"a", "--all=1"}, "--all takes no value"},
           {{"a", "--limit", "1.5"}, "expected a whole number"},
           {{"a", "--limit", "99999999999999999999"}, "expected a whole number"},
           {{"a", "--limit="}, "expected a whole number"},
           {{"a", "--dtype", "float33"}, "did you mean 'float32'?"},
           {{"a", "-n1", "-n2"}, "--limit is given twice"},
           {{"a", "-5"}, "goes behind '--'"},
           {{"a", "--lmit"}, "did you mean '--limit'?"},
           {{"a", "--"}, ""}}) {
    const auto parsed = parse(words);
    EXPECT_EQ(parsed.arguments.has_value(), expected.empty());
    EXPECT_NE(parsed.errors.find(expected), std::string::npos) << parsed.errors;
  }
}
TEST(Arguments, HelpNeedsNoWords) {
  const auto parsed = parse({"--help"});
  ASSERT_TRUE(parsed.arguments);
  EXPECT_TRUE(parsed.arguments->has("help"));
}
TEST(Arguments, SizesHaveUnits) {
  EXPECT_EQ(parse_size("64K"), 65536u);
  EXPECT_EQ(parse_size("1.5GiB"), 1610612736u);
  EXPECT_EQ(parse_size("18446744073709551615"), UINT64_MAX);
  for (std::string_view bad : {"", "K", "-1", "1Q", "nanK", "16E", "1.5"}) EXPECT_FALSE(parse_size(bad)) << bad;
}
TEST(Commands, EveryOneIsFoundAndDescribed) {
  for (const Command* command : all_commands()) {
    EXPECT_EQ(find_command(command->name), command);
    EXPECT_FALSE(command->summary.empty());
    EXPECT_FALSE(command->example.empty());
    std::string names, letters;
    for (const Option* option : options_of(*command)) {
      EXPECT_EQ(names.find(concat("|", option->name, "|")), std::string::npos) << command->name << " --" << option->name;
      names += concat("|", option->name, "|");
      if (option->letter == 0) continue;
      EXPECT_EQ(letters.find(option->letter), std::string::npos) << command->name << " -" << option->letter;
      letters += option->letter;
    }
  }
}
TEST(Commands, RunInProcess) {
  Printer out, err;
  Context context(out, err);
  const std::string_view words[] = {"help", "exit-codes"};
  EXPECT_EQ(run_command_line(context, "/usr/bin/ferry", words), 0);
  EXPECT_NE(out.kept().find("data_loss"), std::string::npos);
  const std::string_view flags[] = {"--port=8500"};
  EXPECT_EQ(run_command_line(context, "bin/tensorflow_model_server", flags), 5);
}

}  // namespace
}  // namespace ferry::cli
