/// Options of Lion.
#pragma once

#include <vector>

#include "shardopt/core/option.h"
#include "shardopt/optim/update_rules.h"

namespace shardopt::optim {

struct LionOptions {
  double lr = 1e-4;
  double weight_decay = 0.0;
  double beta1 = 0.9;   ///< Share of the momentum in the update's direction.
  double beta2 = 0.99;  ///< Decay of the momentum itself.
  UpdateRules rules{};

  /// Throws ConfigError if a value is out of range.
  void validate() const;
};

/// Without lr, weight_decay and rules, which every algorithm has:
/// options_of(OptimizerConfig&).
[[nodiscard]] std::vector<Option> options_of(LionOptions& options);

}  // namespace shardopt::optim
