#include "pattern.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace shardopt::checkpoint {
namespace {

TEST(PatternTest, StarStandsForAnyCharactersAndForNone) {
  EXPECT_TRUE(matches("model/head.*", "model/head.weight"));
  EXPECT_TRUE(matches("model/*", "model/"));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("optimizer/*/exp_avg", "optimizer/parameters/a.b/exp_avg"));
  EXPECT_TRUE(matches("*.weight", "a.weight.weight"));
  EXPECT_TRUE(matches("a**b", "ab"));

  EXPECT_FALSE(matches("model/head.*", "model/head"));
  EXPECT_FALSE(matches("*.weight", "a.weights"));
  EXPECT_FALSE(matches("a*b*c", "acb"));
}

TEST(PatternTest, QuestionMarkStandsForOneCharacter) {
  EXPECT_TRUE(matches("layer.?", "layer.7"));

  EXPECT_FALSE(matches("layer.?", "layer."));
  EXPECT_FALSE(matches("layer.?", "layer.12"));
}

TEST(PatternTest, AllElseStandsForItself) {
  EXPECT_TRUE(matches("", ""));
  EXPECT_TRUE(matches("a.[b]\\", "a.[b]\\"));

  EXPECT_FALSE(matches("", "a"));
  EXPECT_FALSE(matches("a.b", "axb"));
  EXPECT_FALSE(matches("model", "model/w"));
  EXPECT_FALSE(matches("odel", "model"));
}

// A search that tried every way to share out the stars would not end.
TEST(PatternTest, ManyStarsTakeNoLongTime) {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "*a";

  EXPECT_FALSE(matches(pattern + "*b", std::string(4096, 'a')));
  EXPECT_TRUE(matches(pattern + "*b", std::string(4095, 'a') + "b"));
}

TEST(PatternTest, TellsWhichPatternsHaveMatchedNothing) {
  Patterns patterns({"model/*", "*.bias", "haed"});

  EXPECT_TRUE(patterns.match("model/bias"));
  EXPECT_TRUE(patterns.match("head.bias"));
  EXPECT_FALSE(patterns.match("head"));

  EXPECT_EQ(patterns.unused(), std::vector<std::string>{"haed"});
}

}  // namespace
}  // namespace shardopt::checkpoint
