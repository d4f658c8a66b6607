/// Which group each parameter trains in, and by which algorithm.
#pragma once

#include <string>
#include <vector>

#include "shardopt/core/parameter.h"
#include "shardopt/optim/optimizer_config.h"
#include "shardopt/optim/optimizer_registry.h"

namespace shardopt::optim {

/// Groups of one algorithm.
struct AlgorithmPlan {
  std::string algorithm;
  std::vector<GroupRequest> groups;
};

struct GroupPlan {
  std::vector<AlgorithmPlan> algorithms;
  std::vector<Parameter> overwritten;  ///< With their gradients.
};

/// The config's own algorithm first, with at least "decay" and "no_decay"; then those
/// that groups name, in their order. From names, roles and dimensions alone. Throws
/// ConfigError as build_optimizer does for patterns, names and numbers of groups.
[[nodiscard]] GroupPlan plan_groups(std::vector<Parameter> parameters,
                                    const OptimizerConfig& config);

/// "optimizer.group[2]", as messages call a rule.
[[nodiscard]] std::string rule_field(std::size_t index);

}  // namespace shardopt::optim
