#include "shardopt/distributed/timeline.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace shardopt::distributed {
namespace {

TEST(TimelineTest, RecordsNothingUntilItIsStarted) {
  Timeline timeline;
  timeline.add("track", "early", 0, 1);
  { const TimelineSpan span(&timeline, "track", "early"); }
  EXPECT_TRUE(timeline.spans().empty());
}

TEST(TimelineTest, SpansLieInTheOrderOfTime) {
  Timeline timeline;
  timeline.start();
  { const TimelineSpan span(&timeline, "compute", "one"); }
  { const TimelineSpan span(&timeline, "compute", "two"); }
  timeline.stop();
  { const TimelineSpan span(&timeline, "compute", "late"); }
  const auto spans = timeline.spans();
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0].name, "one");
  EXPECT_EQ(spans[1].name, "two");
  EXPECT_EQ(spans[1].track, "compute");
  EXPECT_GE(spans[0].begin_us, 0);
  EXPECT_LE(spans[0].begin_us, spans[0].end_us);
  EXPECT_LE(spans[0].end_us, spans[1].begin_us);
}

TEST(TimelineTest, SpanOfNoTimelineIsNothing) {
  const TimelineSpan span(nullptr, "compute", "one");
}

}  // namespace
}  // namespace shardopt::distributed
