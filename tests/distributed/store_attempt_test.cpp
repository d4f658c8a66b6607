#include "store_attempt.h"

#include <algorithm>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kPatience{20};

Launch launch_of(int rank, int size, int restarts = 0) {
  Launch launch;
  launch.rank = rank;
  launch.size = size;
  launch.restart_count = restarts;
  return launch;
}

// What each rank of an attempt gets, whose agents count these restarts.
std::vector<StoreAttempt> join(::c10d::Store& store, const std::vector<int>& restarts) {
  const auto size = static_cast<int>(restarts.size());
  std::vector<StoreAttempt> attempts(size);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.emplace_back([&, rank] {
      attempts[rank] =
          join_attempt(store, launch_of(rank, size, restarts[rank]), kPatience);
    });
  }
  for (std::thread& rank : ranks) rank.join();
  return attempts;
}

TEST(StoreAttemptTest, RanksOfAnAttemptGetOnePrefixAndEachAttemptItsOwn) {
  const auto store = c10::make_intrusive<::c10d::HashStore>();
  std::vector<std::string> prefixes;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto joined = join(*store, {0, 0, 0, 0});
    for (const StoreAttempt& one : joined) {
      EXPECT_EQ(one.prefix, joined.front().prefix);
    }
    EXPECT_EQ(std::ranges::count(prefixes, joined.front().prefix), 0);
    EXPECT_EQ(joined.front().restarts, attempt);
    prefixes.push_back(joined.front().prefix);
  }
}

TEST(StoreAttemptTest, RestartsThatOneAgentAloneHasCountedAreKnownToRank0) {
  const auto store = c10::make_intrusive<::c10d::HashStore>();
  const auto joined = join(*store, {0, 2, 1});
  EXPECT_EQ(joined[0].restarts, 2);
  EXPECT_EQ(joined[1].prefix, joined[0].prefix);
}

TEST(StoreAttemptTest, QuestionsOfAnEarlierAttemptDisturbNobody) {
  const auto store = c10::make_intrusive<::c10d::HashStore>();
  const std::string gone = "gone 0";
  for (const char* key : {"hello/1", "hello/2"}) {
    store->set(key, std::vector<uint8_t>(gone.begin(), gone.end()));
  }
  const auto joined = join(*store, {0, 0, 0});
  EXPECT_EQ(joined[2].prefix, joined[0].prefix);
}

TEST(StoreAttemptTest, AbsentRanksAreNamed) {
  const auto store = c10::make_intrusive<::c10d::HashStore>();
  try {
    (void)join_attempt(*store, launch_of(0, 3), milliseconds(50));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    EXPECT_EQ(text, "rank 1, 2 did not come");
  }
}

}  // namespace
}  // namespace shardopt::distributed
