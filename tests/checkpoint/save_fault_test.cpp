// One call to the file system fails: which one and how, exhaustively. Two ranks save.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agree.h"
#include "checkpoint/failure_of.h"
#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
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

constexpr int kRanks = 2;
constexpr char kWorked[] = "no failure";
const std::vector<int> kErrors{ENOSPC, EDQUOT, EIO, EACCES, EROFS, EMFILE, EINTR};

SaveOptions options_with(FileSystem& files) {
  return {.keep = 1,
          .lock_wait = std::chrono::seconds(0),
          .block_bytes = 1 << 16,
          .writer_threads = 1,
          .check_space = true,
          .files = &files};
}

/// Two ranks that save steps into one root, with faults.
class Saving {
 public:
  Saving(const std::filesystem::path& root, Communicator& ranks, FaultFileSystem& files)
      : ranks_(ranks), files_(files), checkpointer_(root, ranks, options_with(files)) {}

  /// The step's number is its value. What it throws, as text.
  std::string save(int64_t step) {
    const StateTree state = numbered_state(step, kRanks, ranks_.rank());
    return failure_of([&] { warnings_ = checkpointer_.save(step, state).warnings; });
  }

  /// The same with a fault, for all ranks. Returns whether the fault has struck.
  bool save_with(const FileFault& fault, int64_t step, std::string& failure) {
    set_fault(fault);
    failure = save(step);
    EXPECT_EQ(failure, broadcast_text(ranks_, failure)) << "rank " << ranks_.rank();
    const bool has_struck = files_.has_failed();
    set_fault({});
    return has_struck;
  }

  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  /// Looks at the root, on rank 0: the others wait for it at the next save.
  void look(const std::function<void()>& look) {
    if (ranks_.rank() == 0) look();
  }

  /// The newest step is this one, and nothing is left of any other attempt.
  void expect_clean(int64_t step) {
    look([&] {
      EXPECT_EQ(load_number(checkpointer_.root()), step);
      EXPECT_EQ(garbage_in(checkpointer_.root()), "");
    });
  }

 private:
  void set_fault(const FileFault& fault) {
    ranks_.barrier()->wait();
    if (ranks_.rank() == 0) files_.set_fault(fault);
    ranks_.barrier()->wait();
  }

  Communicator& ranks_;
  FaultFileSystem& files_;
  Checkpointer checkpointer_;
  std::vector<std::string> warnings_;
};

/// Runs `body` on two ranks over one root.
void with_saving(const std::filesystem::path& root, FaultFileSystem& files,
                 const std::function<void(Saving&)>& body) {
  test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
    Saving saving(root, ranks, files);
    body(saving);
  });
}

class SaveFaultTest : public testing::Test {
 protected:
  /// For every k until none strikes any more: a save whose k-th call fails, then one
  /// that works. `judge(failure)` looks at what the former threw.
  void fail_every_call(FileFault fault,
                       const std::function<void(const std::string&)>& judge) {
    std::filesystem::remove_all(root());
    with_saving(root(), files_, [&](Saving& saving) {
      ASSERT_EQ(saving.save(1), kWorked);
      bool has_struck = true;
      int64_t good = 1;
      for (fault.call = 1; has_struck; ++fault.call) {
        SCOPED_TRACE(c10::str("call ", fault.call));
        std::string failure;
        has_struck = saving.save_with(fault, good + 1, failure);
        saving.look([&] {
          judge(failure);
          expect_loadable(good, failure == kWorked);
        });
        good += 2;
        EXPECT_EQ(saving.save(good), kWorked);
        saving.expect_clean(good);
      }
      EXPECT_GT(fault.call, 40);
    });
  }

  /// After a save of `good` + 1 that may have failed: the last good one, or the next.
  void expect_loadable(int64_t good, bool has_worked) {
    const int64_t number = load_number(root());
    EXPECT_TRUE(number == good + 1 || (number == good && !has_worked)) << number;
    for (const std::string& step : committed_steps(root())) {
      EXPECT_FALSE(step.ends_with("!")) << step;
    }
  }

  std::filesystem::path root() const { return scratch_.path() / "root"; }

  FaultFileSystem files_;

 private:
  const test::ScratchDir scratch_{memory_folder()};
};

TEST_F(SaveFaultTest, EveryCallFailsOnceWithEveryError) {
  for (const int error : kErrors) {
    SCOPED_TRACE(std::strerror(error));
    fail_every_call({.error = error}, [&](const std::string& failure) {
      if (failure == kWorked) return;
      EXPECT_TRUE(failure.starts_with("storage: rank ")) << failure;
      EXPECT_TRUE(failure.ends_with(std::strerror(error))) << failure;
      if (error != EINTR) return;
      EXPECT_NE(failure.find(": cannot sync it: "), std::string::npos) << failure;
    });
  }
}

TEST_F(SaveFaultTest, EveryCallFailsForGood) {
  fail_every_call({.error = EIO, .goes_on = true}, [](const std::string& failure) {
    if (failure == kWorked) return;
    EXPECT_TRUE(failure.ends_with(std::strerror(EIO))) << failure;
  });
}

TEST_F(SaveFaultTest, ShortWritesGoOn) {
  with_saving(root(), files_, [&](Saving& saving) {
    bool has_struck = true;
    int64_t step = 1;
    for (int64_t call = 1; has_struck; ++call, ++step) {
      std::string failure;
      has_struck = saving.save_with(
          {.call = call, .kind = FileCall::kPwrite, .is_short = true}, step, failure);
      EXPECT_EQ(failure, kWorked);
      saving.expect_clean(step);
    }
    EXPECT_GT(step, 4);
  });
}

// The kernel may have dropped the pages: a second sync would say that all is well.
TEST_F(SaveFaultTest, SyncThatFailedIsNeverTriedAgain) {
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

TEST_F(SaveFaultTest, SyncThatFailsBehindTheRenameLeavesALoadableStep) {
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

TEST_F(SaveFaultTest, LatestThatCannotBeWrittenIsAWarning) {
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

TEST_F(SaveFaultTest, DirectIoThatIsRefusedIsReplacedAndReported) {
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
TEST_F(SaveFaultTest, FailuresInARowCostNothing) {
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
TEST_F(SaveFaultTest, OneRankWithoutPermissionFailsAll) {
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

TEST_F(SaveFaultTest, CheckpointerWhoseKthCallFailsSaysSoOrWorks) {
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
  EXPECT_GT(failures, 8);
}

}  // namespace
}  // namespace shardopt::checkpoint
