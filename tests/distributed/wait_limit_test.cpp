#include "shardopt/distributed/wait_limit.h"

#include <gtest/gtest.h>

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = WaitLimit::Clock;

TEST(WaitLimitTest, EndsWaitsAfterTheTimeout) {
  const WaitLimit limit(seconds(7));
  const Clock::time_point start = Clock::now();
  EXPECT_EQ(limit.deadline(start), start + seconds(7));
  EXPECT_EQ(limit.length(start), seconds(7));
}

TEST(WaitLimitTest, ShortensWaitsUnderWayFromTheMomentItIsTold) {
  WaitLimit limit(seconds(100));
  const Clock::time_point start = Clock::now() - seconds(60);
  const Clock::time_point before = Clock::now();
  limit.shorten(seconds(5));
  const Clock::time_point after = Clock::now();
  EXPECT_GE(limit.deadline(start), before + seconds(5));
  EXPECT_LE(limit.deadline(start), after + seconds(5));
}

TEST(WaitLimitTest, ShortensLaterWaitsFromTheirOwnStart) {
  WaitLimit limit(seconds(100));
  limit.shorten(seconds(5));
  const Clock::time_point later = Clock::now() + seconds(60);
  EXPECT_EQ(limit.deadline(later), later + seconds(5));
}

TEST(WaitLimitTest, NeverLengthensAWait) {
  WaitLimit limit(seconds(2));
  limit.shorten(seconds(5));
  const Clock::time_point start = Clock::now();
  EXPECT_EQ(limit.deadline(start), start + seconds(2));
}

TEST(WaitLimitTest, TheFirstShorteningCounts) {
  WaitLimit limit(seconds(100));
  limit.shorten(seconds(5));
  limit.shorten(milliseconds(1));
  const Clock::time_point later = Clock::now() + seconds(1);
  EXPECT_EQ(limit.deadline(later), later + seconds(5));
}

}  // namespace
}  // namespace shardopt::distributed
