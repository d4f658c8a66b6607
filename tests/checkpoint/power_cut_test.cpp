// The power fails after every change of the disk, and each change that was not synced
// is lost or kept by itself: what is found then, and whether the next job goes on. With
// everything kept it is what a SIGKILL leaves.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/safetensors_bytes.h"
#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/core/random.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using distributed::Communicator;
using test::DiskJournal;

constexpr int kRanks = 2;
constexpr int kRandomCuts = 6;  // For each moment.

SaveOptions options_with(FileSystem& files, int64_t keep) {
  return {.keep = keep, .block_bytes = 1 << 16, .writer_threads = 1, .files = &files};
}

/// Some of a job's saves, of numbers (see numbered_state), the journal of the disk, and
/// when each number was acknowledged.
class RecordedJob {
 public:
  /// Step `pinned` will have a PIN; 0: none.
  explicit RecordedJob(int64_t pinned = 0) {
    if (pinned > 0) {
      const fs::path step = root() / step_folder_name(pinned);
      fs::create_directory(step);
      test::write_bytes(step / kPinName, "");
    }
    files_.record(root());
  }

  /// Runs `body(checkpointer, communicator)` on each rank.
  void run(int64_t keep,
           const std::function<void(Checkpointer&, Communicator&)>& body) {
    test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
      Checkpointer checkpointer(root(), ranks, options_with(files_, keep));
      body(checkpointer, ranks);
    });
  }

  /// Every rank calls it; a number that is higher than those before.
  void save(Checkpointer& checkpointer, Communicator& ranks, int64_t step,
            int64_t number) {
    checkpointer.save(step, numbered_state(number, kRanks, ranks.rank()));
    ranks.barrier()->wait();
    if (ranks.rank() == 0) acknowledged_.push_back({journal().size(), number});
    ranks.barrier()->wait();
  }

  /// The last number acknowledged within the first `entries` changes; 0: none.
  [[nodiscard]] int64_t acknowledged_by(int64_t entries) const {
    int64_t last = 0;
    for (const auto& [when, number] : acknowledged_) {
      if (when <= entries) last = number;
    }
    return last;
  }

  [[nodiscard]] const DiskJournal& journal() const { return files_.journal(); }
  [[nodiscard]] fs::path root() const { return scratch_.path(); }

 private:
  struct Acknowledged {
    int64_t when;  // Changes of the disk by then.
    int64_t number;
  };
  const test::ScratchDir scratch_{memory_folder()};
  test::FaultFileSystem files_;
  std::vector<Acknowledged> acknowledged_;
};

// The number that the newest step of `root` holds; 0: there is none.
int64_t number_found(const fs::path& root) {
  return committed_steps(root).empty() ? 0 : load_number(root);
}

// A job that goes on from the newest step can save, and clears all away.
void expect_goes_on(const fs::path& root) {
  const auto steps = list_steps(root, posix_file_system());
  int64_t from = 0;
  for (const StepFolder& step : steps) {
    if (step.problem.empty()) from = step.step;
  }
  const auto alone = distributed::make_thread_communicators(1);
  Checkpointer checkpointer(root, *alone.front(), options_with(posix_file_system(), 2));
  checkpointer.begin_branch(from, false);
  checkpointer.save(from + 1, numbered_state(99, 1, 0));
  EXPECT_EQ(load_number(root), 99);
  EXPECT_EQ(garbage_in(root), "");
}

/// Looks at `root` after a cut behind `entries` changes.
using Judge = std::function<void(const fs::path& root, int64_t entries)>;

void cut(const RecordedJob& job, int64_t entries, const DiskJournal::Keep& keep,
         const Judge& judge, bool goes_on) {
  const test::ScratchDir scratch(memory_folder());
  const fs::path root = scratch.path() / "root";
  job.journal().materialise(entries, keep, root);
  for (const std::string& step : committed_steps(root)) {
    EXPECT_FALSE(step.ends_with("!")) << "step " << step;
  }
  judge(root, entries);
  if (goes_on) expect_goes_on(root);
}

// Calls `judge` for every moment and several ways to lose what was not synced.
void cut_everywhere(const RecordedJob& job, const Judge& judge) {
  for (int64_t entries = 0; entries <= job.journal().size(); ++entries) {
    const std::string last = entries == 0 ? "" : job.journal().describe(entries - 1);
    SCOPED_TRACE(c10::str("after change ", entries, ": ", last));
    cut(
        job, entries, [](int64_t) { return false; }, judge, true);
    cut(
        job, entries, [](int64_t) { return true; }, judge, true);
    for (int seed = 0; seed < kRandomCuts; ++seed) {
      SCOPED_TRACE(c10::str("seed ", seed));
      const auto keep = [&](int64_t entry) {
        return mix(static_cast<uint64_t>(entries * kRandomCuts + seed),
                   std::to_string(entry)) %
                   2 ==
               0;
      };
      cut(job, entries, keep, judge, seed == 0);
    }
  }
}

TEST(PowerCutTest, LosesNothingThatWasAcknowledged) {
  RecordedJob job;
  job.run(1, [&](Checkpointer& checkpointer, Communicator& ranks) {
    for (const int64_t step : {1, 2, 3}) job.save(checkpointer, ranks, step, step);
  });
  EXPECT_GT(job.journal().size(), 60);
  cut_everywhere(job, [&](const fs::path& root, int64_t entries) {
    const int64_t found = number_found(root);
    const int64_t acknowledged = job.acknowledged_by(entries);
    EXPECT_TRUE(found == acknowledged || found == acknowledged + 1)
        << found << " was found, " << acknowledged << " acknowledged";
  });
}

// Step 5 again, after a resume: the old one or the new one, never neither.
TEST(PowerCutTest, KeepsTheOldOrTheNewOfAStepSavedAgain) {
  RecordedJob job;
  for (const int64_t number : {1, 2}) {
    job.run(1, [&](Checkpointer& checkpointer, Communicator& ranks) {
      job.save(checkpointer, ranks, 5, number);
    });
  }
  cut_everywhere(job, [&](const fs::path& root, int64_t entries) {
    const int64_t found = number_found(root);
    const int64_t acknowledged = job.acknowledged_by(entries);
    EXPECT_TRUE(found == acknowledged || found == acknowledged + 1) << found;
  });
}

// From step 1 again, steps 2 and 3 discarded, and 2 saved as 12. Returns when the
// second part began.
int64_t leave_a_branch(RecordedJob& job) {
  job.run(0, [&](Checkpointer& checkpointer, Communicator& ranks) {
    for (const int64_t step : {1, 2, 3}) job.save(checkpointer, ranks, step, step);
  });
  const int64_t begin = job.journal().size();
  job.run(0, [&](Checkpointer& checkpointer, Communicator& ranks) {
    checkpointer.begin_branch(1, true);
    job.save(checkpointer, ranks, 2, 12);
  });
  return begin;
}

// Before the new step 2 is there, any of the old ones may be.
TEST(PowerCutTest, BringsNoStepBackThatWasLeft) {
  RecordedJob job;
  const int64_t begin = leave_a_branch(job);
  cut_everywhere(job, [&](const fs::path& root, int64_t entries) {
    if (entries <= begin) return;
    const int64_t found = number_found(root);
    if (job.acknowledged_by(entries) == 12) {
      EXPECT_EQ(found, 12);
    } else {
      EXPECT_TRUE((found >= 1 && found <= 3) || found == 12) << found;
    }
  });
}

// Nor one that nothing removes.
TEST(PowerCutTest, BringsNoPinnedStepBackThatWasLeft) {
  RecordedJob job(3);
  leave_a_branch(job);
  for (const bool keeps : {false, true}) {
    const test::ScratchDir scratch(memory_folder());
    const fs::path root = scratch.path() / "root";
    job.journal().materialise(
        job.journal().size(), [&](int64_t) { return keeps; }, root);
    EXPECT_EQ(load_number(root), 12);
    EXPECT_TRUE(fs::exists(root / step_folder_name(3) / kStaleManifestName));
  }
}

}  // namespace
}  // namespace shardopt::checkpoint
