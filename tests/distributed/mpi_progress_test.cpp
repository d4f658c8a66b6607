// Without MPI: requests that a test settles.
#include "mpi_progress.h"

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "mpi_job.h"
#include "shardopt/core/error.h"

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kLong{20};

// What the test and the requests, which live on another thread, know.
struct Fate {
  std::atomic<bool> is_over = false;
  std::atomic<bool> has_failed = false;
  std::atomic<int> tests = 0;
};

class FakeRequests final : public MpiRequests {
 public:
  explicit FakeRequests(std::shared_ptr<Fate> fate) : fate_(std::move(fate)) {}

  bool test() override {
    ++fate_->tests;
    if (fate_->has_failed) failure_ = "MPI_Fake: no such luck";
    return fate_->is_over;
  }
  const std::string& failure() const noexcept override { return failure_; }

 private:
  std::shared_ptr<Fate> fate_;  // Shared with the test.
  std::string failure_;
};

struct Started {
  std::shared_ptr<Fate> fate = std::make_shared<Fate>();
  std::shared_ptr<int> memory = std::make_shared<int>(0);
  std::shared_ptr<MpiCall> call;
};

Started start(MpiProgress& progress) {
  Started started;
  started.call =
      progress.advance(std::make_unique<FakeRequests>(started.fate), started.memory);
  return started;
}

TEST(MpiProgressTest, CallArrivesWhileSomebodyWaits) {
  MpiProgress progress;
  const Started started = start(progress);
  EXPECT_FALSE(started.call->wait_for(milliseconds(5)));
  EXPECT_FALSE(started.call->is_over());
  EXPECT_FALSE(progress.is_idle());

  started.fate->is_over = true;

  EXPECT_TRUE(started.call->wait_for(kLong));
  EXPECT_TRUE(started.call->wait_for(milliseconds(0)));
  EXPECT_TRUE(started.call->is_over());
  EXPECT_EQ(started.memory.use_count(), 1);
}

TEST(MpiProgressTest, CallsArriveInAnyOrder) {
  MpiProgress progress;
  const Started first = start(progress);
  const Started second = start(progress);

  second.fate->is_over = true;
  EXPECT_TRUE(second.call->wait_for(kLong));
  EXPECT_FALSE(first.call->is_over());
  first.fate->is_over = true;

  EXPECT_TRUE(first.call->wait_for(kLong));
}

TEST(MpiProgressTest, ActionIsCalledOnceWhenCallIsOver) {
  MpiProgress progress;
  const Started started = start(progress);
  std::promise<void> called;
  started.call->when_over([&] { called.set_value(); });
  started.fate->is_over = true;
  EXPECT_EQ(called.get_future().wait_for(kLong), std::future_status::ready);

  bool is_called_at_once = false;
  started.call->when_over([&] { is_called_at_once = true; });
  EXPECT_TRUE(is_called_at_once);
}

// Others of the same call may still be under way: their memory is not let go.
TEST(MpiProgressTest, FailureIsToldBeforeTheCallIsOver) {
  MpiProgress progress;
  const Started started = start(progress);
  std::promise<void> called;
  started.call->when_over([&] { called.set_value(); });

  started.fate->has_failed = true;

  EXPECT_EQ(called.get_future().wait_for(kLong), std::future_status::ready);
  EXPECT_THROW((void)started.call->wait_for(kLong), c10::Error);
  EXPECT_FALSE(started.call->is_over());
  EXPECT_EQ(started.memory.use_count(), 2);
  started.fate->is_over = true;
  while (!started.call->is_over()) std::this_thread::yield();
  EXPECT_THROW((void)started.call->wait_for(kLong), c10::Error);
}

// Pauses are 1 ms after 8 ms: some 200 tests; without, it would be hundreds of
// thousands.
// hundreds of thousands.
TEST(MpiProgressTest, TestsBecomeRareWhileNothingMoves) {
  MpiProgress progress;
  const Started started = start(progress);
  std::this_thread::sleep_for(milliseconds(20));
  const int before = started.fate->tests;
  std::this_thread::sleep_for(milliseconds(200));

  EXPECT_LE(started.fate->tests - before, 800);
}

TEST(MpiProgressTest, NothingIsTestedWhileNothingIsUnderWay) {
  MpiProgress progress;
  const Started started = start(progress);
  started.fate->is_over = true;
  EXPECT_TRUE(started.call->wait_for(kLong));
  const int tests = started.fate->tests;

  std::this_thread::sleep_for(milliseconds(20));

  EXPECT_EQ(started.fate->tests, tests);
}

TEST(MpiProgressTest, TasksRunBesideCalls) {
  MpiProgress progress;
  const Started started = start(progress);
  EXPECT_EQ(progress.run([] {}).wait_for(kLong), std::future_status::ready);
  auto failing = progress.run([] { throw std::runtime_error("no"); });
  EXPECT_THROW(failing.get(), std::runtime_error);
  started.fate->is_over = true;
  EXPECT_TRUE(started.call->wait_for(kLong));
}

TEST(MpiProgressTest, EndsWithCallsUnderWay) {
  Started started;
  {
    MpiProgress progress;
    started = start(progress);
  }
  EXPECT_FALSE(started.call->is_over());
}

// The task goes on after the end of the test, and shares what it uses.
TEST(MpiProgressTest, EndsWhileTaskHangs) {
  const auto release = std::make_shared<std::promise<void>>();
  const auto begun = std::make_shared<std::promise<void>>();
  {
    MpiProgress progress;
    (void)progress.run([release, begun] {
      begun->set_value();
      release->get_future().wait();
    });
    begun->get_future().wait();
  }
  release->set_value();
}

TEST(MpiJobTest, AbsentLibraryIsNamedError) {
  try {
    (void)open_mpi_library("libshardopt_absent.so");
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ConfigError& error) {
    const std::string text = error.what_without_backtrace();
    EXPECT_EQ(text.find("this build has no MPI (libshardopt_absent.so"), 0) << text;
    EXPECT_NE(text.find("install libopenmpi-dev and configure again"),
              std::string::npos)
        << text;
  }
}

TEST(MpiJobTest, WithoutMpiThereIsNothingToEnd) {
  skip_mpi_finalize();
  EXPECT_THROW(abort_mpi(1), c10::Error);
  EXPECT_THROW((void)mpi_progress(), c10::Error);
}

}  // namespace
}  // namespace shardopt::distributed
