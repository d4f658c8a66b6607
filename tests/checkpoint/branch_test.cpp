// Going on from a step that is not the newest.
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/safetensors_bytes.h"
#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using distributed::Communicator;
using test::failure_of;
using Steps = std::vector<std::string>;

constexpr int kRanks = 2;

class BranchTest : public testing::Test {
 protected:
  /// Runs `body(checkpointer, communicator)` on each rank.
  template <typename Body>
  void run(int64_t keep, const Body& body) {
    test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
      Checkpointer checkpointer(
          root(), ranks, {.keep = keep, .block_bytes = 1 << 16, .files = &files_});
      body(checkpointer, ranks);
    });
  }
  void save_steps(const std::vector<int64_t>& steps) {
    run(0, [&](Checkpointer& checkpointer, Communicator& ranks) {
      for (const int64_t step : steps) save(checkpointer, ranks, step, step);
    });
  }
  static void save(Checkpointer& checkpointer, Communicator& ranks, int64_t step,
                   int64_t number) {
    checkpointer.save(step, numbered_state(number, kRanks, ranks.rank()));
  }

  Steps steps() const { return committed_steps(root()); }
  fs::path root() const { return scratch_.path(); }

  test::FaultFileSystem files_;

 private:
  const test::ScratchDir scratch_{memory_folder()};
};

TEST_F(BranchTest, LaterSoundStepsAreAnErrorThatListsThem) {
  save_steps({1, 2, 3});
  run(0, [&](Checkpointer& checkpointer, Communicator&) {
    const std::string failure =
        failure_of([&] { checkpointer.begin_branch(1, false); });
    EXPECT_TRUE(failure.starts_with("mismatch: rank 0: ")) << failure;
    EXPECT_NE(failure.find("from step 1, but later steps are there: 2, 3;"),
              std::string::npos)
        << failure;
  });
  EXPECT_EQ(steps(), (Steps{"1", "2", "3"}));
}

TEST_F(BranchTest, GoingOnFromTheNewestNeedsNoPermission) {
  save_steps({1, 2});
  run(1, [&](Checkpointer& checkpointer, Communicator& ranks) {
    checkpointer.begin_branch(2, false);
    save(checkpointer, ranks, 3, 3);
  });
  EXPECT_EQ(steps(), (Steps{"2", "3"}));  // 2 is where the job came from.
}

TEST_F(BranchTest, DiscardedStepsStayUntilTheFirstCommitAndNeverComeBack) {
  save_steps({1, 2, 3});
  run(0, [&](Checkpointer& checkpointer, Communicator& ranks) {
    checkpointer.begin_branch(1, true);
    ranks.barrier()->wait();
    EXPECT_EQ(steps(), (Steps{"1", "2", "3"}));
    ranks.barrier()->wait();
    save(checkpointer, ranks, 2, 12);
    save(checkpointer, ranks, 4, 14);
  });
  EXPECT_EQ(steps(), (Steps{"1", "2", "4"}));
  EXPECT_EQ(load_number(root()), 14);
  EXPECT_EQ(garbage_in(root()), "");
}

TEST_F(BranchTest, FreshStartDiscardsAllOrRefuses) {
  save_steps({1, 2});
  run(0, [&](Checkpointer& checkpointer, Communicator& ranks) {
    EXPECT_NE(failure_of([&] { checkpointer.begin_branch(0, false); }), "no failure");
    checkpointer.begin_branch(0, true);
    save(checkpointer, ranks, 1, 11);
  });
  EXPECT_EQ(steps(), Steps{"1"});
  EXPECT_EQ(load_number(root()), 11);
}

// After a fallback: nobody has to say that a step that cannot be loaded may go.
TEST_F(BranchTest, DamagedLaterStepsAreLeftWithoutPermission) {
  save_steps({1, 2});
  test::write_bytes(root() / step_folder_name(2) / kManifestName, "damaged");
  run(0, [&](Checkpointer& checkpointer, Communicator& ranks) {
    checkpointer.begin_branch(1, false);
    save(checkpointer, ranks, 3, 3);
  });
  EXPECT_EQ(steps(), (Steps{"1", "3"}));
  EXPECT_EQ(garbage_in(root()), "");
}

// The steps that were left are so even if the first save of the branch fails.
TEST_F(BranchTest, FailedSaveDoesNotEndTheBranch) {
  save_steps({1, 2, 3});
  run(0, [&](Checkpointer& checkpointer, Communicator& ranks) {
    checkpointer.begin_branch(1, true);
    ranks.barrier()->wait();
    if (ranks.rank() == 0) {
      files_.set_fault({.kind = test::FileCall::kPwrite, .error = EIO});
    }
    ranks.barrier()->wait();
    EXPECT_NE(failure_of([&] { save(checkpointer, ranks, 2, 12); }), "no failure");
    save(checkpointer, ranks, 2, 12);
  });
  EXPECT_EQ(steps(), (Steps{"1", "2"}));
  EXPECT_EQ(load_number(root()), 12);
}

TEST_F(BranchTest, RefusesNegativeStepsAndSavesUnderWay) {
  run(0, [&](Checkpointer& checkpointer, Communicator& ranks) {
    EXPECT_THROW(checkpointer.begin_branch(-1, false), c10::Error);
    checkpointer.start(1, numbered_state(1, kRanks, ranks.rank()), "");
    EXPECT_THROW(checkpointer.begin_branch(0, false), c10::Error);
    checkpointer.finish();
  });
}

}  // namespace
}  // namespace shardopt::checkpoint
