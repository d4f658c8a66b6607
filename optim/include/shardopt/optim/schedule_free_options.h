/// Options of the Schedule-Free optimizers.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "shardopt/core/option.h"
#include "shardopt/optim/update_rules.h"

namespace shardopt::optim {

/// Whose Schedule-Free AdamW.
enum class ScheduleFreeForm : uint8_t {
  kOfficial,  ///< Defazio et al.'s code: weights (t^r lr_max^p), decay at y in the
              ///< step.
  kKempner,   ///< KempnerForge's: weights lr (1 - beta1), decay at z after the step.
  kKeras      ///< Keras's: plain average, decay of y before the step.
};

struct ScheduleFreeAdamWOptions {
  double lr = 0.0025;
  double weight_decay = 0.0;
  double beta1 = 0.9;  ///< Share of the average x in the training point y; > 0.
  double beta2 = 0.999;
  double eps = 1e-8;
  int64_t warmup_steps = 0;      ///< Updates over which lr rises, beside any schedule.
  double r = 0.0;                ///< official: power of t in the average's weights.
  double weight_lr_power = 2.0;  ///< official: power of the largest lr in them.
  ScheduleFreeForm form = ScheduleFreeForm::kOfficial;
  UpdateRules rules{};

  /// Throws ConfigError if a value is out of range, or rules.decay_order is kAfter:
  /// decay has its place in each form.
  void validate() const;
};

struct ScheduleFreeSgdOptions {
  double lr = 1.0;
  double weight_decay = 0.0;
  double momentum = 0.9;  ///< beta1 of the AdamW form; > 0.
  int64_t warmup_steps = 0;
  double r = 0.0;
  double weight_lr_power = 2.0;
  UpdateRules rules{};

  /// Throws ConfigError as ScheduleFreeAdamWOptions does.
  void validate() const;
};

/// Without lr, weight_decay and rules, which every algorithm has:
/// options_of(OptimizerConfig&).
[[nodiscard]] std::vector<Option> options_of(ScheduleFreeAdamWOptions& options);
[[nodiscard]] std::vector<Option> options_of(ScheduleFreeSgdOptions& options);

}  // namespace shardopt::optim
