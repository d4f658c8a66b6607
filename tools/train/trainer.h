/// The training loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Generator.h>

#include "shardopt/config/train_config.h"
#include "shardopt/core/parameter.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/fully_sharded_unit.h"
#include "shardopt/distributed/mesh.h"
#include "shardopt/distributed/timeline.h"
#include "shardopt/optim/optimizer.h"
#include "text_data.h"
#include "train/gpt.h"
#include "train/step.h"
#include "train/weight_update.h"

namespace shardopt::train {

/// Model, optimizer and data of a run. Functions are collective, but for those that say
/// they are local, and those that only return what is known.
class Trainer {
 public:
  /// `config` has passed check_config; `mesh` and `data` outlive this. Throws
  /// ConfigError as WeightUpdate does, on every rank.
  Trainer(const config::TrainConfig& config, const distributed::Mesh& mesh,
          const TextData& data,
          std::shared_ptr<distributed::Timeline> timeline = nullptr);

  /// The next step. Throws ConfigError on every rank if the loss is not finite and the
  /// policy does not allow it.
  StepResult step(const StepHooks& hooks = {});

  /// Throws ConfigError if the last step was skipped: training did not do its work.
  void check_outcome() const;

  /// Throws ShardingError on every rank, naming entries, if ranks that share state
  /// disagree about it: counters, lr, and on replicas every row of weights and moments.
  /// Collective.
  void check_divergence() const;

  /// All that training goes on from, kind "training": parts model, data, rng, counters
  /// and WeightUpdate's. Tensors alias the trainer's, but for the generator's.
  /// Local.
  [[nodiscard]] StateTree state() const;

  /// Throws CheckpointError, listing what differs, if training cannot go on from
  /// `saved`, a state of device meta: another text or order of samples, another
  /// optimizer. Options that only steer are free to differ. Local.
  void check_state(const StateTree& saved) const;

  /// Takes over the values of `state`, a tree of `state()` whose tensors have been
  /// loaded. Local.
  void load_state(const StateTree& state);

  /// Begins new dropout masks, a function of seed, step and rank: those of a checkpoint
  /// belong to its ranks. Local.
  void derive_dropout();

  /// Mean loss, of the weights to evaluate, over samples spread evenly over the
  /// validation text, the same whatever the number of ranks; nullopt if there is none.
  [[nodiscard]] std::optional<double> validate();

  /// Writes the whole weights to evaluate, fp32, by rank 0. Throws on every rank if it
  /// cannot.
  void write_weights(const std::string& path);

  [[nodiscard]] std::string sample(int64_t length);

  [[nodiscard]] const optim::Optimizer& optimizer() const noexcept {
    return update_.optimizer();
  }
  [[nodiscard]] distributed::ShardedModel& model() noexcept { return sharded_; }
  /// Bytes of text that one step trains on, all ranks together.
  [[nodiscard]] int64_t tokens_per_step() const noexcept;

  /// As of the last step's end.
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  /// Of training up to now, by this rank's clock.
  [[nodiscard]] double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] double accumulate_gradients();
  [[nodiscard]] double micro_step(int64_t micro, int64_t count);
  [[nodiscard]] StepResult agree_on(double local_loss, const StepHooks& hooks);
  void skip(const StepResult& result);
  void update(const StepResult& result);
  [[nodiscard]] StateTree data_state() const;

  const config::TrainConfig config_;
  const distributed::Mesh& mesh_;
  const TextData& data_;
  std::shared_ptr<distributed::Timeline> timeline_;  // Shared with the groups; or null.
  distributed::ShardedModel sharded_;
  at::Generator dropout_;  // The one that the model draws from.
  Gpt gpt_;
  std::vector<Parameter> parameters_;
  WeightUpdate update_;
  Counters counters_;
  double seconds_before_ = 0.0;               // Of the runs before this one.
  std::optional<Clock::time_point> start_{};  // Of the first step here.
};

}  // namespace shardopt::train
