#include "shardopt/core/shard.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace shardopt {
namespace {

TEST(ShardTest, KnowsEveryPieceOfAnUnevenCut) {
  const Shard shard({0, 6, 6, 7}, 2);
  EXPECT_EQ(shard.rank(), 2);
  EXPECT_EQ(shard.ranks(), 3);
  EXPECT_EQ(shard.begin(0), 0);
  EXPECT_EQ(shard.rows(0), 6);
  EXPECT_EQ(shard.rows(1), 0);
  EXPECT_EQ(shard.local_begin(), 6);
  EXPECT_EQ(shard.local_rows(), 1);
  EXPECT_EQ(shard.global_rows(), 7);
}

TEST(ShardTest, OneRankMayHoldAllOrNothing) {
  EXPECT_EQ(Shard({0, 0, 5}, 1).local_rows(), 5);
  EXPECT_EQ(Shard({0, 0, 5}, 0).local_rows(), 0);
  EXPECT_EQ(Shard({0, 0}, 0).global_rows(), 0);
}

TEST(ShardTest, EqualsOnlySameCutAndRank) {
  EXPECT_EQ(Shard({0, 1, 3}, 0), Shard({0, 1, 3}, 0));
  EXPECT_NE(Shard({0, 1, 3}, 0), Shard({0, 1, 3}, 1));
  EXPECT_NE(Shard({0, 1, 3}, 0), Shard({0, 2, 3}, 0));
}

TEST(ShardTest, RejectsCutThatStartsElsewhereOrFalls) {
  EXPECT_THROW(Shard({1, 2}, 0), c10::Error);
  EXPECT_THROW(Shard({0, 3, 2}, 0), c10::Error);
}

TEST(ShardTest, RejectsRankOutsideTheCut) {
  EXPECT_THROW(Shard({0, 2, 4}, 2), c10::Error);
  EXPECT_THROW(Shard({0, 2, 4}, -1), c10::Error);
  EXPECT_THROW(Shard({0}, 0), c10::Error);
  EXPECT_THROW(Shard({}, 0), c10::Error);
}

}  // namespace
}  // namespace shardopt
