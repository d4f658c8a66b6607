/// Checkpoints of a job while it trains.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/config/train_config.h"
#include "shardopt/distributed/mesh.h"
#include "train/reporter.h"
#include "train/trainer.h"

namespace shardopt::train {

/// Decides when the state of a Trainer is saved, and what a failure leads to, as
/// checkpoint.* of a configuration says. Nothing that trains is changed.
///
/// Functions are collective but for `hooks` and `announce`. They throw CommError if a
/// peer is gone, and CheckpointError, the same on every rank, where a failed save ends
/// the job.
class Saving {
 public:
  /// Takes the LOCK of config.checkpoint.path, which is not empty, for the life of
  /// this. The arguments outlive it; `files` null is posix_file_system().
  Saving(const config::TrainConfig& config, const distributed::Mesh& mesh,
         Reporter& reporter, checkpoint::FileSystem* files = nullptr);

  [[nodiscard]] checkpoint::Checkpointer& checkpointer() noexcept {
    return checkpointer_;
  }

  /// Says where, when and how large, and the room that is needed.
  void announce(const Trainer& trainer);

  /// Step `step` is in the root already: it is not saved again.
  void skip_step(int64_t step) noexcept { saved_step_ = step; }

  /// For each step of training. They refer to this.
  [[nodiscard]] StepHooks hooks();

  /// Goes on with the save under way, and begins another if one is due after the step
  /// that had this result.
  void after_step(const Trainer& trainer, const StepResult& result);

  /// Ends the save under way, if there is one; its failure is a warning. For when all
  /// ranks are about to end with an error: what has been copied is worth its end.
  void settle();

  /// Saves the last step, unless it has been saved, and returns when it is there. Any
  /// failure is thrown.
  void finish(const Trainer& trainer);

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] bool is_due(const StepResult& result) const;
  [[nodiscard]] bool make_way(int64_t step);
  void begin(const Trainer& trainer);
  void attempt(const std::function<void()>& action);
  void note_failure(const std::string& message);
  void note_saved(const std::optional<checkpoint::SaveReport>& report);

  const config::CheckpointOptions& options_;
  Reporter& reporter_;
  const std::string config_text_;  // Rank 0's.
  checkpoint::Checkpointer checkpointer_;
  Clock::time_point last_due_ = Clock::now();
  std::optional<int64_t> saved_step_{};
  int64_t saving_step_ = 0;  // Of the last save that began.
  int64_t failures_in_a_row_ = 0;
};

}  // namespace shardopt::train
