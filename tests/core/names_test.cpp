#include "shardopt/core/names.h"

#include <gtest/gtest.h>

#include <vector>

namespace shardopt {
namespace {

TEST(EditDistanceTest, CountsEachKindOfEdit) {
  EXPECT_EQ(edit_distance("lion", "lion"), 0);
  EXPECT_EQ(edit_distance("lion", "lions"), 1);  // insertion
  EXPECT_EQ(edit_distance("lion", "lin"), 1);    // deletion
  EXPECT_EQ(edit_distance("lion", "lian"), 1);   // substitution
  EXPECT_EQ(edit_distance("lion", "loin"), 1);   // swap of neighbours
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

TEST(EditDistanceTest, ToNothingIsTheLength) {
  EXPECT_EQ(edit_distance("", "muon"), 4);
  EXPECT_EQ(edit_distance("muon", ""), 4);
  EXPECT_EQ(edit_distance("", ""), 0);
}

TEST(EditDistanceTest, IsSymmetric) {
  EXPECT_EQ(edit_distance("abcd", "badc"), edit_distance("badc", "abcd"));
}

const std::vector<std::string> kKnown{"adamw", "lion", "muon"};

TEST(DidYouMeanTest, NamesTheNearest) {
  EXPECT_EQ(did_you_mean("loin", kKnown), "; did you mean 'lion'?");
  EXPECT_EQ(did_you_mean("adam", kKnown), "; did you mean 'adamw'?");
}

TEST(DidYouMeanTest, SaysNothingIfNoneIsNear) {
  EXPECT_EQ(did_you_mean("shampoo", kKnown), "");
  EXPECT_EQ(did_you_mean("loin", {}), "");
}

TEST(DidYouMeanTest, AllowsOneEditInShortNames) {
  const std::vector<std::string> known{"lr"};
  EXPECT_EQ(did_you_mean("l", known), "; did you mean 'lr'?");
  EXPECT_EQ(did_you_mean("xy", known), "");
}

}  // namespace
}  // namespace shardopt
