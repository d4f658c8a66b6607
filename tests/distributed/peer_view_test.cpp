#include "peer_view.h"

#include <gtest/gtest.h>

#include "peer_report.h"

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;
using Clock = PeerView::Clock;

const PeerCall kCall{
    .group = "shard", .ranks = {}, .sequence = 7, .kind = "barrier", .what = "call"};
const Clock::time_point kStart{};

Clock::time_point at(int64_t ms) { return kStart + milliseconds(ms); }

PeerReport report(int64_t beat, int64_t calls, PeerStatus status = PeerStatus::kAlive) {
  return {.beat = beat,
          .status = status,
          .why = "",
          .progress = {{"shard", {calls, "barrier"}}}};
}

// Of rank 0 of 3, with a beat of 100 ms: silent after 250 ms.
PeerView view() { return {0, 3, milliseconds(100)}; }

TEST(PeerReportTest, ReadsBackWhatItWrites) {
  const PeerReport report{
      .beat = 12,
      .status = PeerStatus::kFailed,
      .why = "disk full: 3 of 4",
      .progress = {{"shard/0", {5, "barrier"}}, {"with space", {9, "all_gather"}}}};
  const auto read = parse_report(to_text(report));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->beat, 12);
  EXPECT_EQ(read->status, PeerStatus::kFailed);
  EXPECT_EQ(read->why, "disk full: 3 of 4");
  EXPECT_EQ(read->progress, report.progress);
}

TEST(PeerReportTest, RefusesWhatIsNoReport) {
  for (const char* text : {"", "x", "3", "3 9\n\n", "3 0"}) {
    EXPECT_FALSE(parse_report(text)) << text;
  }
}

TEST(PeerViewTest, KnowsNothingAtFirst) {
  EXPECT_EQ(view().verdict(kCall), "");
  EXPECT_EQ(view().missing(kCall, at(0)).text, "");
}

TEST(PeerViewTest, NamesAPeerThatFailedWithItsReason) {
  PeerView peers = view();
  PeerReport failed = report(1, 9, PeerStatus::kFailed);
  failed.why = "no memory";
  peers.read(2, failed, at(0));
  EXPECT_EQ(peers.verdict(kCall), "rank 2 failed: no memory");
  EXPECT_EQ(peers.missing(kCall, at(0)).text, "rank 2 (failed: no memory)");
  EXPECT_TRUE(peers.missing(kCall, at(0)).is_definite);
}

TEST(PeerViewTest, APeerThatLeftIsMissingOnlyIfItNeverMadeTheCall) {
  PeerView peers = view();
  peers.read(1, report(1, 7, PeerStatus::kLeft), at(0));
  EXPECT_EQ(peers.verdict(kCall), "");
  peers.read(2, report(1, 6, PeerStatus::kLeft), at(0));
  EXPECT_EQ(peers.verdict(kCall), "rank 2 has left");
  EXPECT_EQ(peers.missing(kCall, at(0)).text, "rank 2 (has left)");
}

TEST(PeerViewTest, APeerWhoseBeatStopsIsSilent) {
  PeerView peers = view();
  for (int64_t ms = 0; ms <= 1200; ms += 100) {
    peers.read(1, report(ms, 6), at(ms));
    peers.read(2, report(1, 6), at(ms));
  }
  const PeerView::Findings findings = peers.missing(kCall, at(1200));
  EXPECT_EQ(findings.text, "rank 2 (no sign of life for 1.2 s)");
  EXPECT_TRUE(findings.is_definite);
}

TEST(PeerViewTest, SilenceOfOneLookIsNone) {
  PeerView peers = view();
  peers.read(2, report(1, 6), at(0));
  const PeerView::Findings findings = peers.missing(kCall, at(5000));
  EXPECT_EQ(findings.text, "rank 2 (alive, its last call there is #6)");
  EXPECT_FALSE(findings.is_definite);
}

TEST(PeerViewTest, ALatePeerIsNamedOnlyIfItHasNotMadeTheCall) {
  PeerView peers = view();
  peers.read(1, report(1, 7), at(0));
  peers.read(2, report(1, 3), at(0));
  EXPECT_EQ(peers.missing(kCall, at(0)).text,
            "rank 2 (alive, its last call there is #3)");
}

TEST(PeerViewTest, APeerThatMakesAnotherCallIsNamed) {
  PeerView peers = view();
  PeerReport other = report(1, 7);
  other.progress["shard"].last = "all_gather";
  peers.read(1, report(1, 7), at(0));
  peers.read(2, other, at(0));
  EXPECT_EQ(peers.missing(kCall, at(0)).text, "rank 2 (calls all_gather)");
  EXPECT_TRUE(peers.missing(kCall, at(0)).is_definite);
}

TEST(PeerViewTest, WhoFailedIsNotNamedBesideWhoIsGone) {
  PeerView peers = view();
  PeerReport failed = report(1, 7, PeerStatus::kFailed);
  failed.why = "timed out";
  peers.read(1, failed, at(0));
  peers.read(2, report(1, 6, PeerStatus::kLeft), at(0));
  EXPECT_EQ(peers.missing(kCall, at(0)).text, "rank 2 (has left)");
}

TEST(PeerViewTest, LooksOnlyAtRanksOfTheGroup) {
  PeerView peers = view();
  PeerCall call = kCall;
  call.ranks = {0, 1};
  peers.read(2, report(1, 0, PeerStatus::kLeft), at(0));
  EXPECT_EQ(peers.verdict(call), "");
  EXPECT_EQ(peers.missing(call, at(0)).text, "");
}

TEST(PeerViewTest, EverybodyIsGoneWhenEachHasFailedLeftOrFallenSilent) {
  PeerView peers = view();
  peers.read(1, report(1, 0, PeerStatus::kLeft), at(0));
  peers.read(2, report(1, 0), at(0));
  EXPECT_FALSE(peers.is_everybody_gone(at(0)));
  peers.read(2, report(1, 0), at(300));
  EXPECT_TRUE(peers.is_everybody_gone(at(300)));
}

}  // namespace
}  // namespace shardopt::distributed
