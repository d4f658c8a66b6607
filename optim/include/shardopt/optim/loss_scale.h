/// The factor that keeps small gradients from vanishing in low precision.
#pragma once

#include <cstdint>

#include "shardopt/core/state_tree.h"
#include "shardopt/optim/loss_scale_options.h"

namespace shardopt::optim {

/// What the caller multiplies the loss by before backward, and GradientPipeline divides
/// the gradients by. A dynamic one (Micikevicius et al. 2018, arXiv 1710.03740, section
/// 3.2) falls with every update that is skipped for gradients that are not finite, and
/// grows after `growth_steps` updates in a row. It stays within [min_scale, 2^127]: 0
/// would divide by zero, infinity make every later loss infinite, and neither ever
/// ends.
///
/// It changes between windows of accumulation only, when the caller reports the update.
/// Collective contract: ranks report the same; nothing is sent. Thread safety: none.
class LossScale {
 public:
  /// Throws ConfigError as LossScaleOptions::validate does.
  explicit LossScale(const LossScaleOptions& options);

  /// 1 with mode none.
  [[nodiscard]] double scale() const noexcept { return scale_; }
  /// Whether there is a scale at all.
  [[nodiscard]] bool is_active() const noexcept {
    return options_.mode != LossScaleMode::kNone;
  }

  /// Whether a skipped update would make it smaller.
  [[nodiscard]] bool can_fall() const noexcept {
    return options_.mode == LossScaleMode::kDynamic && scale_ > options_.min_scale;
  }

  /// An update was made. Moves a dynamic scale only.
  void good_update();
  /// An update was skipped. Moves a dynamic scale only.
  void skipped();

  /// Values `mode` and, if dynamic, `scale` and `good_updates`.
  [[nodiscard]] StateTree state() const;
  /// Throws CheckpointError if `tree` is not a state of a loss scale of this mode, or
  /// its scale or count cannot be.
  void check_state(const StateTree& tree) const;
  /// Takes over what `state` returned; a static scale is that of the options. Throws as
  /// check_state does, and then changes nothing.
  void load_state(const StateTree& tree);

 private:
  LossScaleOptions options_;
  double scale_;
  int64_t good_updates_ = 0;  // since the last change
};

}  // namespace shardopt::optim
