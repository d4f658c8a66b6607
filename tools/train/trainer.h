/// The training loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "metrics.h"
#include "shardopt/config/train_config.h"
#include "shardopt/core/parameter.h"
#include "shardopt/distributed/fully_sharded_unit.h"
#include "shardopt/distributed/mesh.h"
#include "shardopt/distributed/timeline.h"
#include "shardopt/optim/optimizer.h"
#include "shardopt/optim/schedule.h"
#include "text_data.h"
#include "train/gpt.h"

namespace shardopt::train {

/// What happened in one step, the same on every rank.
struct StepResult {
  double loss = 0.0;        ///< Mean over the whole batch, nats per byte.
  double grad_norm = 0.0;   ///< Global, before clipping.
  double lr = 0.0;          ///< Of the first group.
  bool is_skipped = false;  ///< Loss or gradients were not finite.
  int stop_signal = 0;      ///< One that a rank has got; training ends.
};

/// Model, optimizer and data of a run. Every function is collective.
class Trainer {
 public:
  /// `config` has passed check_config; `mesh` and `data` outlive this. Throws
  /// ConfigError as build_optimizer and make_schedule do, on every rank.
  Trainer(const config::TrainConfig& config, const distributed::Mesh& mesh,
          const TextData& data,
          std::shared_ptr<distributed::Timeline> timeline = nullptr);

  /// Step number `step`, counted from 1. Throws ConfigError on every rank if the loss
  /// is not finite and the policy does not allow it.
  StepResult step(int64_t step);

  /// Throws ConfigError if the last step was skipped: training did not do its work.
  void check_outcome() const;

  /// Throws ShardingError on every rank, naming entries, if ranks that share state
  /// after step number `step` disagree about it: counters, lr, and on replicas every
  /// row of weights and moments.
  void check_divergence(int64_t step) const;

  /// Mean loss over samples spread evenly over the validation text, the same whatever
  /// the number of ranks; nullopt if there is none.
  [[nodiscard]] std::optional<double> validate();

  /// Writes whole weights, fp32, by rank 0. Throws on every rank if it cannot.
  void write_weights(const std::string& path);

  [[nodiscard]] std::string sample(int64_t length);

  [[nodiscard]] const optim::Optimizer& optimizer() const noexcept {
    return *optimizer_;
  }
  [[nodiscard]] distributed::ShardedModel& model() noexcept { return sharded_; }
  /// Bytes of text that one step trains on, all ranks together.
  [[nodiscard]] int64_t tokens_per_step() const noexcept;

 private:
  [[nodiscard]] double accumulate_gradients(int64_t step);
  [[nodiscard]] StepResult agree_on(double local_loss) const;
  void skip(int64_t step, const StepResult& result);
  void update(const StepResult& result);

  const config::TrainConfig config_;
  const distributed::Mesh& mesh_;
  const TextData& data_;
  std::shared_ptr<distributed::Timeline> timeline_;  // Shared with the groups; or null.
  distributed::ShardedModel sharded_;
  Gpt gpt_;
  std::vector<Parameter> parameters_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  optim::ScheduleDriver schedule_;
  int64_t skipped_in_a_row_ = 0;
};

}  // namespace shardopt::train
