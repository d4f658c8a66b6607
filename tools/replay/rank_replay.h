/// A case on one rank.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "shardopt/core/parameter.h"
#include "shardopt/distributed/mesh.h"
#include "shardopt/optim/gradient_pipeline.h"
#include "shardopt/optim/loss_scale.h"
#include "shardopt/optim/optimizer.h"
#include "shardopt/optim/schedule.h"
#include "shardopt/optim/weight_average.h"

#include "replay/run.h"

namespace shardopt::replay {

/// Plays all calls of a case with this rank's rows. Functions are collective.
class RankReplay {
 public:
  /// Both arguments outlive it. Throws ConfigError as run_case does.
  RankReplay(const Case& given, const distributed::Mesh& mesh);

  /// Tensors hold this rank's rows.
  [[nodiscard]] Replay run();

 private:
  void set_gradients(std::size_t call);
  [[nodiscard]] bool has_finite_gradients() const;
  /// The lr of each group, if there was an update.
  std::optional<std::vector<double>> play(std::size_t call);
  [[nodiscard]] Weights weights() const;
  [[nodiscard]] Weights evaluation_weights();
  [[nodiscard]] bool has_evaluation_weights() const;

  const Case& case_;
  const distributed::Mesh& mesh_;
  std::vector<Parameter> parameters_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  optim::ScheduleDriver schedule_;
  optim::LossScale loss_scale_;
  std::unique_ptr<optim::GradientPipeline> pipeline_;
  std::optional<optim::WeightAverage> average_;
  int64_t updates_ = 0;
};

}  // namespace shardopt::replay
