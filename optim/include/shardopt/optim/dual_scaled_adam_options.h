/// Options of DualScaledAdam.
#pragma once

#include <vector>

#include "shardopt/core/option.h"
#include "shardopt/optim/update_rules.h"

namespace shardopt::optim {

struct DualScaledAdamOptions {
  double lr = 1e-3;
  double weight_decay = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double eps_root = 0.0;  ///< Inside the root.
  bool nesterov = false;
  UpdateRules rules{};

  /// Throws ConfigError if a value is out of range.
  void validate() const;
};

/// Without lr, weight_decay and rules, which every algorithm has:
/// options_of(OptimizerConfig&).
[[nodiscard]] std::vector<Option> options_of(DualScaledAdamOptions& options);

}  // namespace shardopt::optim
