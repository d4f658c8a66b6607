/// Lion: sign momentum (Chen et al. 2023, "Symbolic Discovery of Optimization
/// Algorithms", arXiv:2302.06675, Algorithm 2).
#pragma once

#include <vector>

#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/lion_options.h"

namespace shardopt::optim {

/// State: one slot, "momentum". Elementwise: no communication, whatever the cut, but
/// for caution's.
class Lion final : public GroupedOptimizer<LionOptions> {
 public:
  explicit Lion(std::vector<ParamGroup<LionOptions>> groups);

 private:
  void update(GroupTensors& tensors, const LionOptions& options,
              ScalarSums& sums) const override;
};

}  // namespace shardopt::optim
