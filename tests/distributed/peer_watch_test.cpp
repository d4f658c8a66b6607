#include "shardopt/distributed/peer_watch.h"

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kBeat{20};
constexpr seconds kPatience{10};  // with what comes for certain

PeerCall call(int64_t sequence) {
  return {.group = "shard",
          .ranks = {},
          .sequence = sequence,
          .kind = "barrier",
          .what = "call"};
}

// A store whose calls hang until it is let go, as those of a stopped host do.
class HangingStore : public ::c10d::HashStore {
 public:
  void hang() { is_hanging_ = true; }
  void let_go() {
    {
      const std::lock_guard lock(mutex_);
      is_hanging_ = false;
    }
    changed_.notify_all();
  }
  void set(const std::string& key, const std::vector<uint8_t>& value) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !is_hanging_; });
    ::c10d::HashStore::set(key, value);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> is_hanging_{false};
};

class PeerWatchTest : public testing::Test {
 protected:
  std::unique_ptr<PeerWatch> watch(int rank, int size = 2, PeerWatchOptions more = {}) {
    more.beat = kBeat;
    return std::make_unique<PeerWatch>(store_, rank, size, std::move(more));
  }

  // What `watch` comes to say of `waited` within our patience; "" if nothing.
  static std::string verdict(PeerWatch& watch, const PeerCall& waited,
                             Clock::time_point start = Clock::now()) {
    const auto end = Clock::now() + kPatience;
    std::string text;
    while (text.empty() && Clock::now() < end) {
      text = watch.verdict(waited, start);
      std::this_thread::sleep_for(milliseconds(5));
    }
    return text;
  }

  c10::intrusive_ptr<HangingStore> store_ = c10::make_intrusive<HangingStore>();
};

TEST_F(PeerWatchTest, TellsPeersWhyARankFailed) {
  const auto zero = watch(0);
  const auto one = watch(1);
  one->report_failure("disk\nfull", kPatience);
  EXPECT_EQ(verdict(*zero, call(1)), "rank 1 failed: disk full");
}

TEST_F(PeerWatchTest, OwnFailureIsNoVerdict) {
  const auto one = watch(1);
  one->report_failure("disk full", kPatience);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(one->verdict(call(1), Clock::now()), "");
    std::this_thread::sleep_for(kBeat / 4);
  }
}

TEST_F(PeerWatchTest, TheFirstReasonIsTheOneThatPeersHear) {
  const auto zero = watch(0, 3);
  const auto one = watch(1, 3);
  const auto two = watch(2, 3);
  one->report_failure("first", kPatience);
  two->report_failure("second", kPatience);
  EXPECT_EQ(verdict(*zero, call(1)), "rank 1 failed: first");
}

TEST_F(PeerWatchTest, ARankThatLeftBeforeACallIsTheVerdictOfALongWait) {
  const auto zero = watch(0, 2, {.look_after = milliseconds(1)});
  auto one = watch(1);
  one->entered(call(4));
  one.reset();
  EXPECT_EQ(verdict(*zero, call(5)), "rank 1 has left");
  EXPECT_EQ(zero->verdict(call(4), Clock::now()), "");
}

TEST_F(PeerWatchTest, NamesASilentRankAmongLivingOnes) {
  const auto zero = watch(0, 3);
  const auto one = watch(1, 3);
  const std::string report = "7 0\n\n";
  store_->set("watch/2", std::vector<uint8_t>(report.begin(), report.end()));
  const std::string missing = zero->missing(call(1), kPatience);
  EXPECT_TRUE(missing.starts_with("rank 2 (no sign of life for ")) << missing;
  EXPECT_EQ(missing.find("rank 1"), std::string::npos) << missing;
}

TEST_F(PeerWatchTest, NamesALateRankWhenTimeIsUp) {
  const auto zero = watch(0);
  const auto one = watch(1);
  one->entered(call(2));
  EXPECT_EQ(zero->missing(call(3), kBeat * 10),
            "rank 1 (alive, its last call there is #2)");
}

TEST_F(PeerWatchTest, TellsOnceOfAWaitThatHasBecomeLong) {
  std::atomic<int> times{0};
  std::promise<std::string> told;
  PeerWatchOptions options{.look_after = kBeat * 3};
  options.on_late = [&](const std::string& text) {
    if (++times == 1) told.set_value(text);
  };
  const auto zero = watch(0, 2, std::move(options));
  const auto one = watch(1);
  const auto start = Clock::now();
  while (Clock::now() - start < kBeat * 40) {
    EXPECT_EQ(zero->verdict(call(3), start), "");
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(times, 1);
  EXPECT_EQ(told.get_future().get(),
            "call has waited 0 s; missing: rank 1 (alive, its last call there is #0)");
}

TEST_F(PeerWatchTest, AStoreThatHangsIsNamedAndEndsWithTheWatch) {
  PeerWatchOptions options;
  options.interrupt_store = [this] { store_->let_go(); };
  auto one = watch(1, 2, std::move(options));
  store_->hang();
  EXPECT_EQ(one->missing(call(1), kPatience), "rank 0, whose store does not answer");
  const auto start = Clock::now();
  one->report_failure("why", milliseconds(50));
  one.reset();
  EXPECT_LT(Clock::now() - start, seconds(5));
}

TEST_F(PeerWatchTest, WaitsForPeersUntilAllHaveFailed) {
  const auto zero = watch(0, 2);
  const auto one = watch(1, 2);
  std::thread later([&] {
    std::this_thread::sleep_for(kBeat * 3);
    one->report_failure("too", kPatience);
  });
  const auto start = Clock::now();
  zero->report_failure("why", kPatience);
  zero->wait_for_peers(kPatience);
  EXPECT_LT(Clock::now() - start, kPatience / 2);
  EXPECT_GE(Clock::now() - start, kBeat * 3);
  later.join();
}

}  // namespace
}  // namespace shardopt::distributed
