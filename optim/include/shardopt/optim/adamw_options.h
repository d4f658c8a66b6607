/// Options of AdamW.
#pragma once

#include <vector>

#include "shardopt/core/option.h"

namespace shardopt::optim {

struct AdamWOptions {
  double lr = 1e-3;
  double weight_decay = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;

  /// Throws ConfigError if a value is out of range.
  void validate() const;
};

/// Without lr and weight_decay, which every algorithm has:
/// options_of(OptimizerConfig&).
[[nodiscard]] std::vector<Option> options_of(AdamWOptions& options);

}  // namespace shardopt::optim
