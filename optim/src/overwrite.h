/// Parameters that become their gradients.
#pragma once

#include <vector>

#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/update_rules.h"

namespace shardopt::optim {

struct OverwriteOptions {
  double lr = 0.0;
  double weight_decay = 0.0;
  UpdateRules rules{};

  void validate() const {}
};

[[nodiscard]] inline std::vector<Option> options_of(OverwriteOptions&) { return {}; }

/// rows = gradient, without lr, decay or state: how fp8 scales are kept.
class Overwrite final : public GroupedOptimizer<OverwriteOptions> {
 public:
  explicit Overwrite(std::vector<Parameter> parameters);

 private:
  void update(GroupTensors& tensors, const OverwriteOptions& options,
              ScalarSums& sums) const override;
};

}  // namespace shardopt::optim
