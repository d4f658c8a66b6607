// Ranks that are late, gone, or do something else: an error that names them, no hang.
#include <chrono>
#include <filesystem>
#include <functional>
#include <latch>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/core/error.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

using distributed::Communicator;
using test::failure_of;

constexpr int kRanks = 2;
constexpr std::chrono::milliseconds kTimeout{300};
constexpr std::chrono::milliseconds kLong{3000};

class LateRanksTest : public testing::Test {
 protected:
  /// `body(checkpointer, rank)` on two ranks, whose waits are short. No rank
  /// leaves the group before both are done.
  void run(const std::function<void(Checkpointer&, int)>& body,
           std::chrono::milliseconds timeout = kTimeout) {
    std::latch done(kRanks);
    test::run_thread_ranks(
        kRanks,
        [&](Communicator& ranks) {
          Checkpointer checkpointer(root_, ranks, options_);
          body(checkpointer, ranks.rank());
          done.arrive_and_wait();
        },
        timeout);
  }

  const test::ScratchDir scratch_{memory_folder()};
  const std::filesystem::path root_ = scratch_.path() / "root";
  const SaveOptions options_{.keep = 1, .block_bytes = 1 << 16};
};

// The message of the CommError that `call` must throw.
std::string comm_error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const CommError& error) {
    return error.what_without_backtrace();
  }
  return "no CommError";
}

void save(Checkpointer& checkpointer, int64_t step, int rank) {
  checkpointer.save(step, numbered_state(step, kRanks, rank));
}

TEST_F(LateRanksTest, RankThatNeverSavesIsNamed) {
  run([](Checkpointer& checkpointer, int rank) {
    save(checkpointer, 1, rank);
    if (rank == 1) return;
    const std::string failure = comm_error_of([&] { save(checkpointer, 2, rank); });
    EXPECT_TRUE(failure.ends_with("rank 1 did not join within 300 ms")) << failure;
  });

  EXPECT_EQ(load_number(root_), 1);
}

TEST_F(LateRanksTest, RankThatNeverPollsIsNamed) {
  run([](Checkpointer& checkpointer, int rank) {
    save(checkpointer, 1, rank);
    checkpointer.start(2, numbered_state(2, kRanks, rank), "");
    if (rank == 0) return;
    const std::string failure = comm_error_of([&] { (void)checkpointer.finish(); });
    EXPECT_TRUE(failure.ends_with("rank 0 did not join within 300 ms")) << failure;
    EXPECT_TRUE(checkpointer.is_saving());
  });

  EXPECT_EQ(load_number(root_), 1);
}

TEST_F(LateRanksTest, RankThatSavesTwiceIsAloneTheSecondTime) {
  run([](Checkpointer& checkpointer, int rank) {
    save(checkpointer, 1, rank);
    if (rank == 0) return;
    const std::string failure = comm_error_of([&] { save(checkpointer, 1, rank); });
    EXPECT_TRUE(failure.ends_with("rank 0 did not join within 300 ms")) << failure;
  });

  EXPECT_EQ(load_number(root_), 1);
}

TEST_F(LateRanksTest, NothingMoreIsSavedOnceAPeerIsLost) {
  run([](Checkpointer& checkpointer, int rank) {
    save(checkpointer, 1, rank);
    if (rank == 1) return;
    for (int i = 0; i < 3; ++i) {
      EXPECT_NE(comm_error_of([&] { save(checkpointer, 2, rank); }), "no CommError");
    }
  });

  EXPECT_EQ(committed_steps(root_), std::vector<std::string>{"1"});
}

TEST_F(LateRanksTest, RanksThatSaveOtherStepsAreNamedAndMaySaveAgain) {
  run([](Checkpointer& checkpointer, int rank) {
    EXPECT_EQ(
        failure_of([&] { save(checkpointer, 5 + rank, rank); }),
        "mismatch: rank 1: ranks save different states: 'step 6, blocks of 65536', "
        "on rank 0 'step 5, blocks of 65536'");
    save(checkpointer, 7, rank);
  });

  EXPECT_EQ(committed_steps(root_), std::vector<std::string>{"7"});
  EXPECT_EQ(garbage_in(root_), "");
}

// Late by a third of the timeout, as after a SIGSTOP.
TEST_F(LateRanksTest, RankThatIsLateIsWaitedFor) {
  run(
      [](Checkpointer& checkpointer, int rank) {
        if (rank == 1) std::this_thread::sleep_for(kLong / 3);
        save(checkpointer, 1, rank);
      },
      kLong);

  EXPECT_EQ(load_number(root_), 1);
}

TEST_F(LateRanksTest, RankThatLeavesFailsItsPeersAtOnce) {
  constexpr std::chrono::seconds kLonger{60};
  const auto start = std::chrono::steady_clock::now();
  test::run_thread_ranks(
      kRanks,
      [&](Communicator& ranks) {
        Checkpointer checkpointer(root_, ranks, options_);
        checkpointer.start(1, numbered_state(1, kRanks, ranks.rank()), "");
        if (ranks.rank() == 1) return;
        const std::string failure = comm_error_of([&] { (void)checkpointer.finish(); });
        EXPECT_TRUE(failure.ends_with("rank 1 has left the group")) << failure;
      },
      kLonger);

  EXPECT_LT(std::chrono::steady_clock::now() - start, kLonger / 2);
}

}  // namespace
}  // namespace shardopt::checkpoint
