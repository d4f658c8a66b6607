// When checkpoints are saved, over a disk that is as slow as each test needs.
#include "train/saving.h"

#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "shardopt/checkpoint/load.h"
#include "shardopt/checkpoint/root.h"
#include "shardopt/core/error.h"
#include "support/gated_file_system.h"
#include "support/scratch_dir.h"
#include "support/thread_meshes.h"
#include "tools/small_training.h"

namespace shardopt::train {
namespace {

using config::PendingPolicy;
using config::SaveErrorPolicy;

// After every step, unless a test says otherwise.
config::TrainConfig saving_config(const std::filesystem::path& root) {
  config::TrainConfig config = small_config("adamw");
  config.checkpoint.path = root;
  config.checkpoint.every_steps = 1;
  config.checkpoint.keep = 0;
  return config;
}

// No save waits for ever, whatever a test has run into.
struct GateOpener {
  test::GatedFileSystem& files;
  ~GateOpener() { files.open_gate(); }
};

class SavingTest : public testing::Test {
 protected:
  // Calls `body` with what a run of one rank has.
  void run(const std::function<void(Trainer&, Saving&)>& body) {
    test::run_mesh_ranks(1, [&](const distributed::Mesh& mesh) {
      Trainer trainer(config_, mesh, text_);
      Reporter reporter(config_, /*is_speaker=*/false);
      Saving saving(config_, mesh, reporter, &files_);
      const GateOpener opener{files_};
      body(trainer, saving);
    });
  }

  [[nodiscard]] std::vector<checkpoint::StepFolder> folders() const {
    return checkpoint::list_steps(config_.checkpoint.path,
                                  checkpoint::posix_file_system());
  }

  [[nodiscard]] std::vector<int64_t> saved_steps() const {
    std::vector<int64_t> result;
    for (const auto& step : folders()) {
      if (step.is_committed) result.push_back(step.step);
    }
    return result;
  }

  const test::ScratchDir scratch_;
  const TextData text_{{.path = write_text(scratch_.path()), .context = 16}};
  config::TrainConfig config_ = saving_config(scratch_.path() / "root");
  test::GatedFileSystem files_;
};

void train(Trainer& trainer, Saving& saving, int steps = 1) {
  for (int i = 0; i < steps; ++i) {
    saving.after_step(trainer, trainer.step(saving.hooks()));
  }
}

std::string failure(const std::function<void()>& action) {
  try {
    action();
  } catch (const CheckpointError& error) {
    return error.what_without_backtrace();
  }
  return "(no error)";
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

using Steps = std::vector<int64_t>;

// What does not wait for the gate is back long before this.
constexpr std::chrono::milliseconds kLongerThanNoWait{100};
constexpr std::chrono::milliseconds kAskEvery{10};

TEST_F(SavingTest, SkipLeavesOutWhatIsDueWhileASaveIsUnderWay) {
  config_.checkpoint.pending = PendingPolicy::kSkip;
  run([&](Trainer& trainer, Saving& saving) {
    files_.close_gate();
    train(trainer, saving, 4);  // Step 1 is under way all the time.
    files_.open_gate();
    saving.finish(trainer);
  });
  EXPECT_EQ(saved_steps(), (Steps{1, 4}));
}

TEST_F(SavingTest, WaitSavesEveryStepWhenTheDiskIsThere) {
  config_.checkpoint.pending = PendingPolicy::kWait;
  run([&](Trainer& trainer, Saving& saving) {
    files_.close_gate();
    train(trainer, saving);
    std::atomic<bool> is_open = false;
    const auto opening = std::async(std::launch::async, [&] {
      std::this_thread::sleep_for(kLongerThanNoWait);
      is_open = true;
      files_.open_gate();
    });
    train(trainer, saving, 2);
    EXPECT_TRUE(is_open);
    saving.finish(trainer);
  });
  EXPECT_EQ(saved_steps(), (Steps{1, 2, 3}));
}

TEST_F(SavingTest, FailCountsWhatIsDueMeanwhileAsAFailedSave) {
  config_.checkpoint.pending = PendingPolicy::kFail;
  config_.checkpoint.max_failures = 3;
  run([&](Trainer& trainer, Saving& saving) {
    files_.close_gate();
    train(trainer, saving, 3);
    EXPECT_EQ(failure([&] { train(trainer, saving); }),
              "3 save(s) in a row have failed (checkpoint.max_failures 3), the last: "
              "step 4 is not saved: the save of step 1 is still under way");
  });
}

TEST_F(SavingTest, FailEndsAtOnceWhereErrorsAbort) {
  config_.checkpoint.pending = PendingPolicy::kFail;
  config_.checkpoint.on_error = SaveErrorPolicy::kAbort;
  run([&](Trainer& trainer, Saving& saving) {
    files_.close_gate();
    train(trainer, saving);
    EXPECT_EQ(failure([&] { train(trainer, saving); }),
              "step 2 is not saved: the save of step 1 is still under way");
  });
}

TEST_F(SavingTest, ASaveThatWorkedBeginsTheCountOfFailuresAnew) {
  config_.checkpoint.every_steps = 0;
  config_.checkpoint.pending = PendingPolicy::kFail;
  config_.checkpoint.max_failures = 2;
  run([&](Trainer& trainer, Saving& saving) {
    for (int i = 0; i < 3; ++i) {
      files_.close_gate();
      for (int save = 0; save < 2; ++save) {  // The second fails.
        StepResult result = trainer.step(saving.hooks());
        result.is_due = true;
        saving.after_step(trainer, result);
      }
      files_.open_gate();
      while (saving.checkpointer().is_saving()) saving.after_step(trainer, {});
    }
  });
  EXPECT_EQ(saved_steps(), (Steps{1, 3, 5}));
}

TEST_F(SavingTest, TheClockCountsFromWhatWasDueLastEvenIfItWasLeftOut) {
  config_.checkpoint.every_steps = 0;
  config_.checkpoint.every_seconds = 1;
  config_.checkpoint.pending = PendingPolicy::kSkip;
  run([&](Trainer& trainer, Saving& saving) {
    files_.close_gate();
    const StepHooks hooks = saving.hooks();
    EXPECT_FALSE(hooks.is_due());
    for (int i = 0; i < 2; ++i) {  // Begun, then left out.
      while (!hooks.is_due()) std::this_thread::sleep_for(kAskEvery);
      train(trainer, saving);
      EXPECT_FALSE(hooks.is_due());
    }
    EXPECT_TRUE(saving.checkpointer().is_saving());
  });
}

TEST_F(SavingTest, NothingIsSavedTwiceNorBeforeTheFirstStep) {
  run([&](Trainer& trainer, Saving& saving) {
    saving.finish(trainer);
    EXPECT_EQ(saved_steps(), Steps{});
    train(trainer, saving);
    saving.finish(trainer);
    const std::string attempt = folders().at(0).attempt;
    saving.finish(trainer);
    EXPECT_EQ(folders().at(0).attempt, attempt);
  });
  EXPECT_EQ(saved_steps(), Steps{1});
}

// The state, 20 MB, is larger than the memory for copies, two chunks: not all of it is
// safe from the next update until the disk takes some.
TEST_F(SavingTest, TheNextUpdateWaitsUntilTheStateHasBeenCopied) {
  config_.model = {.layers = 2, .dim = 256, .heads = 2, .context = 16};
  config_.train.batch = 1;
  config_.checkpoint.host_budget_mib = 1;
  config_.checkpoint.every_steps = 2;
  const auto expected = scratch_.path() / "expected";
  const auto loaded = scratch_.path() / "loaded";
  run([&](Trainer& trainer, Saving& saving) {
    train(trainer, saving);
    files_.close_gate();
    train(trainer, saving);
    trainer.write_weights(expected);
    const StepHooks own = saving.hooks();
    const auto wait = [&] {
      std::atomic<bool> is_open = false;
      const auto opening = std::async(std::launch::async, [&] {
        std::this_thread::sleep_for(kLongerThanNoWait);
        is_open = true;
        files_.open_gate();
      });
      own.before_update();
      EXPECT_TRUE(is_open);
    };
    (void)trainer.step({.before_update = wait});
    (void)saving.checkpointer().finish();
  });

  test::run_mesh_ranks(1, [&](const distributed::Mesh& mesh) {
    Trainer trainer(config_, mesh, text_);
    StateTree state = trainer.state();
    (void)checkpoint::load(config_.checkpoint.path, state, mesh);
    trainer.write_weights(loaded);
  });
  EXPECT_EQ(bytes_of(loaded), bytes_of(expected));
}

}  // namespace
}  // namespace shardopt::train
