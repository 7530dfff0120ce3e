#include "checkpoint/rename.h"

#include <gtest/gtest.h>

namespace ferry {
namespace {

std::string renamed(std::initializer_list<std::string_view> rules, std::string_view name) {
  RenameRules all;
  for (std::string_view rule : rules) {
    const Status status = all.add(rule);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  return all.apply(name);
}
TEST(Rename, GroupsAnchorsAndEveryMatch) {
  EXPECT_EQ(renamed({"layer(\\d+)/=block\\1."}, "layer12/w"), "block12.w");
  EXPECT_EQ(renamed({"a=bb"}, "banana"), "bbbnbbnbb");
  EXPECT_EQ(renamed({"^a=x"}, "aa"), "xa");
  EXPECT_EQ(renamed({"^=pre/"}, "w"), "pre/w");
  EXPECT_EQ(renamed({"^$=x"}, ""), "x");
  EXPECT_EQ(renamed({"$=.v"}, "w"), "w.v");
  EXPECT_EQ(renamed({"x*=-"}, "ab"), "-a-b-");
  EXPECT_EQ(renamed({"a\\=b=c"}, "a=b"), "c");
  EXPECT_EQ(renamed({"(a)|(b)=<\\1\\2>"}, "ab"), "<a><b>");
  EXPECT_EQ(renamed({"a=b", "b=c"}, "a"), "c");
}
TEST(Rename, WrongRulesAreErrors) {
  RenameRules rules;
  for (std::string_view rule : {"", "abc", "(=x", "(a)=\\2", "@/no/such/file"}) EXPECT_FALSE(rules.add(rule).ok()) << rule;
}
TEST(Rename, PatternsHaveStarsAndQuestionMarks) {
  EXPECT_TRUE(matches_pattern("a*c?", "abbcd"));
  EXPECT_TRUE(matches_pattern("*", ""));
  EXPECT_FALSE(matches_pattern("?", ""));
  EXPECT_FALSE(matches_pattern(std::string(30, '*') + "b", std::string(10'000, 'a')));
}
TEST(Rename, TellsTheRulesThatChangedAName) {
  RenameRules rules;
  for (std::string_view rule : {"^a/=b/", "x=y", "^b/=c/"}) ASSERT_TRUE(rules.add(rule).ok());
  std::vector<size_t> used;
  EXPECT_EQ(rules.apply("a/w", &used), "c/w");
  EXPECT_EQ(used, (std::vector<size_t>{0, 2}));
  EXPECT_EQ(rules.apply("w", &used), "w");
  EXPECT_TRUE(used.empty());
  EXPECT_EQ(rules.size(), 3u);
  EXPECT_EQ(rules.text(1), "x=y");
}

}  // namespace
}  // namespace ferry
