// Particular failures of the file system during a save, and what follows from each.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/faulty_saving.h"
#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

using distributed::Communicator;
using test::failure_of;
using test::FaultFileSystem;
using test::FileCall;
using test::FileFault;

class SaveFailureTest : public testing::Test {
 protected:
  std::filesystem::path root() const { return scratch_.path() / "root"; }

  FaultFileSystem files_;

 private:
  const test::ScratchDir scratch_{memory_folder()};
};

// The kernel may have dropped the pages: a second sync would say that all is well.
TEST_F(SaveFailureTest, SyncThatFailedIsNeverTriedAgain) {
  std::filesystem::create_directory(root());
  files_.record(root());
  with_saving(root(), files_, [&](Saving& saving) {
    bool has_struck = true;
    int64_t step = 1;
    for (int64_t call = 1; has_struck; ++call, ++step) {
      std::string failure;
      has_struck = saving.save_with(
          {.call = call, .kind = FileCall::kFsync, .error = EIO}, step, failure);
    }
    EXPECT_GT(step, 8);
  });
  const test::DiskJournal& journal = files_.journal();
  int failed = 0;
  std::string lost = "nothing";
  for (int64_t i = 0; i < journal.size(); ++i) {
    const std::string entry = journal.describe(i);
    EXPECT_NE(entry, "sync " + lost);
    const bool is_file = entry.find("rank-") != std::string::npos ||
                         entry.find(".tmp.") != std::string::npos;
    if (!entry.starts_with("failed sync ") || !is_file) continue;
    lost = entry.substr(std::string("failed sync ").size());
    ++failed;
  }
  EXPECT_EQ(failed, 4);  // Two data files, MANIFEST, LATEST
}

TEST_F(SaveFailureTest, SyncThatFailsBehindTheRenameLeavesALoadableStep) {
  with_saving(root(), files_, [&](Saving& saving) {
    ASSERT_EQ(saving.save(1), kWorked);
    std::string failure;
    bool is_behind = false;
    for (int64_t call = 1; !is_behind; ++call) {
      const FileFault fault{.call = call, .kind = FileCall::kFsync, .error = EIO};
      ASSERT_TRUE(saving.save_with(fault, 2, failure));
      ASSERT_NE(failure, kWorked);
      is_behind = committed_steps(root()).size() == 2;
    }
    EXPECT_NE(failure.find("step_000000000002: cannot sync it"), std::string::npos);
    saving.look([&] { EXPECT_EQ(load_number(root()), 2); });
  });
}

TEST_F(SaveFailureTest, LatestThatCannotBeWrittenIsAWarning) {
  with_saving(root(), files_, [&](Saving& saving) {
    ASSERT_EQ(saving.save(1), kWorked);
    std::string failure;
    const FileFault quota{.call = 2, .kind = FileCall::kRename, .error = EDQUOT};
    ASSERT_TRUE(saving.save_with(quota, 2, failure));
    EXPECT_EQ(failure, kWorked);
    ASSERT_EQ(saving.warnings().size(), 1u);
    EXPECT_TRUE(saving.warnings().front().starts_with("LATEST was not updated: "));
    EXPECT_TRUE(saving.warnings().front().ends_with(std::strerror(EDQUOT)));
    saving.expect_clean(2);
  });
}

TEST_F(SaveFailureTest, DirectIoThatIsRefusedIsReplacedAndReported) {
  for (const FileCall kind : {FileCall::kOpen, FileCall::kPwrite}) {
    std::filesystem::remove_all(root());
    test::run_thread_ranks(1, [&](Communicator& alone) {
      Checkpointer checkpointer(root(), alone, options_with(files_));
      bool has_struck = true;
      int refused = 0;
      for (int64_t call = 1; has_struck; ++call) {
        files_.set_fault({.call = call, .kind = kind, .error = EINVAL});
        const std::string failure = failure_of([&] {
          const auto report = checkpointer.save(call, numbered_state(call, 1, 0));
          if (!report.used_direct_io) ++refused;
        });
        has_struck = files_.has_failed();
        files_.set_fault({});
        if (failure != kWorked) continue;
        EXPECT_EQ(load_number(root()), call);
      }
      EXPECT_EQ(refused, 1);
    });
  }
}

// Of the one checkpoint that keep = 1 leaves.
TEST_F(SaveFailureTest, FailuresInARowCostNothing) {
  with_saving(root(), files_, [&](Saving& saving) {
    ASSERT_EQ(saving.save(1), kWorked);
    const FileFault full{
        .kind = FileCall::kFallocate, .error = ENOSPC, .goes_on = true};
    for (const int64_t step : {2, 3, 4}) {
      std::string failure;
      ASSERT_TRUE(saving.save_with(full, step, failure));
      EXPECT_TRUE(failure.ends_with(": No space left on device")) << failure;
      saving.look(
          [&] { EXPECT_EQ(committed_steps(root()), std::vector<std::string>{"1"}); });
      saving.expect_clean(1);
    }
  });
}

// The file system of rank 1 alone refuses: both say the same, and neither hangs.
TEST_F(SaveFailureTest, OneRankWithoutPermissionFailsAll) {
  test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
    FaultFileSystem own;
    Checkpointer checkpointer(root(), ranks, options_with(own));
    const auto save = [&](int64_t step) {
      return failure_of(
          [&] { checkpointer.save(step, numbered_state(step, kRanks, ranks.rank())); });
    };
    if (ranks.rank() == 1) {
      own.set_fault({.kind = FileCall::kOpen, .error = EACCES, .goes_on = true});
    }
    const std::string failure = save(1);
    EXPECT_TRUE(failure.starts_with("storage: rank 1: ")) << failure;
    EXPECT_TRUE(failure.ends_with(": Permission denied")) << failure;
    own.set_fault({});
    EXPECT_EQ(save(2), kWorked);
  });
}

TEST_F(SaveFailureTest, CheckpointerWhoseKthCallFailsSaysSoOrWorks) {
  int64_t failures = 0;
  bool has_struck = true;
  for (int64_t call = 1; has_struck; ++call) {
    SCOPED_TRACE(call);
    std::filesystem::remove_all(root());
    files_.set_fault({.call = call, .error = EIO});
    test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
      const std::string failure = failure_of(
          [&] { const Checkpointer made(root(), ranks, options_with(files_)); });
      if (failure != kWorked && ranks.rank() == 0) ++failures;
      EXPECT_TRUE(failure == kWorked || failure.ends_with(std::strerror(EIO)))
          << failure;
    });
    has_struck = files_.has_failed();
  }
  EXPECT_GT(failures, 4);
}

}  // namespace
}  // namespace shardopt::checkpoint
