/// Options of SGD.
#pragma once

#include <vector>

#include "shardopt/core/option.h"
#include "shardopt/optim/update_rules.h"

namespace shardopt::optim {

struct SgdOptions {
  double lr = 0.01;
  double weight_decay = 0.0;
  double momentum = 0.0;
  bool nesterov = false;
  UpdateRules rules{};

  /// Throws ConfigError if a value is out of range, or nesterov has no momentum.
  void validate() const;
};

/// Without lr, weight_decay and rules, which every algorithm has:
/// options_of(OptimizerConfig&).
[[nodiscard]] std::vector<Option> options_of(SgdOptions& options);

}  // namespace shardopt::optim
