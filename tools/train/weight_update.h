/// From gradients to new weights: transforms, optimizer, schedule, loss scale, average.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "shardopt/config/train_config.h"
#include "shardopt/core/parameter.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/mesh.h"
#include "shardopt/optim/gradient_pipeline.h"
#include "shardopt/optim/loss_scale.h"
#include "shardopt/optim/optimizer.h"
#include "shardopt/optim/schedule.h"
#include "shardopt/optim/weight_average.h"

namespace shardopt::train {

/// Everything between backward and the next forward, as the configuration says. The
/// order of a step: zero_grad, backward of loss x loss_scale, collect; once that says
/// that an update is due, `apply`, or `skip` if gradients are not finite.
///
/// Collective contract: as GradientPipeline's and Optimizer's.
class WeightUpdate {
 public:
  /// Who adds up the gradients of train.accumulation's micro-steps.
  enum class Accumulation : uint8_t {
    kByUnits,  ///< The caller, but where parameters are overwritten by gradients.
    kByWindow  ///< `collect`.
  };

  /// `mesh` outlives this. Throws ConfigError as build_optimizer, make_schedule and
  /// GradientPipeline do, on every rank.
  WeightUpdate(const config::TrainConfig& config,
               const std::vector<Parameter>& parameters, const distributed::Mesh& mesh,
               Accumulation accumulation = Accumulation::kByUnits);

  /// Micro-steps of one update, each with its own zero_grad and collect.
  [[nodiscard]] int64_t window() const noexcept { return pipeline_.window(); }
  [[nodiscard]] double loss_scale() const noexcept { return loss_scale_.scale(); }
  /// A scale that falls with each skip may be the reason for gradients that are not
  /// finite.
  [[nodiscard]] bool has_falling_scale() const noexcept;

  void zero_grad() { optimizer_->zero_grad(); }
  [[nodiscard]] bool collect() { return pipeline_.collect(); }

  /// Sums of squares of this rank's gradients: of those that are transformed, and of
  /// those that overwrite their parameters, which only have to be finite.
  struct SquaredNorms {
    double transformed;
    double overwriting;
  };
  [[nodiscard]] SquaredNorms local_squared_norms() const;

  /// The update. `norm`, if the caller has it, is that of the transformed gradients
  /// over all ranks.
  void apply(std::optional<double> norm = std::nullopt);
  /// There is none: the window is dropped, a dynamic loss scale falls.
  void skip();

  [[nodiscard]] const optim::Optimizer& optimizer() const noexcept {
    return *optimizer_;
  }

  /// Whether weights to evaluate are others than those that train.
  [[nodiscard]] bool has_evaluation_point() const;
  /// Weights are those to evaluate and export: the average, where there is one, else
  /// the optimizer's evaluation point.
  void use_evaluation_point();
  /// Back, to the same bits.
  void use_training_point();

  /// Adds parts optimizer, schedule and, where configured, transforms, loss_scale and
  /// average.
  void add_state(StateTree& tree) const;
  /// Throws CheckpointError if `tree` has other parts, or others' states.
  void check_state(const StateTree& tree) const;
  void load_state(const StateTree& tree);

 private:
  optim::LossScale loss_scale_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  optim::ScheduleDriver schedule_;
  std::vector<Parameter> overwritten_;
  optim::GradientPipeline pipeline_;
  std::optional<optim::WeightAverage> average_;
};

/// The evaluation point, for its own lifetime.
class AtEvaluationPoint {
 public:
  explicit AtEvaluationPoint(WeightUpdate& update) : update_(update) {
    update_.use_evaluation_point();
  }
  ~AtEvaluationPoint() { update_.use_training_point(); }
  AtEvaluationPoint(const AtEvaluationPoint&) = delete;
  AtEvaluationPoint& operator=(const AtEvaluationPoint&) = delete;

 private:
  WeightUpdate& update_;
};

}  // namespace shardopt::train
