/// Adam whose steps shrink with the gradient (leloykun/adaptive-muon,
/// dual_scaled_adam).
#pragma once

#include <vector>

#include "shardopt/optim/dual_scaled_adam_options.h"
#include "shardopt/optim/grouped_optimizer.h"

namespace shardopt::optim {

/// With mh the bias-corrected mean of gradients (with nesterov, looking one step
/// ahead) and u = mh / (sqrt(vh + eps_root) + eps), the direction of a parameter of two
/// dimensions is clip(<mh, u>, -1, 1) u; of any other it is u, Adam's.
///
/// State: slots "exp_avg" and "exp_avg_sq". <mh, u> is over the whole tensor: one
/// all_reduce in each step where parameters are cut.
class DualScaledAdam final : public GroupedOptimizer<DualScaledAdamOptions> {
 public:
  explicit DualScaledAdam(std::vector<ParamGroup<DualScaledAdamOptions>> groups);

 private:
  void update(GroupTensors& tensors, const DualScaledAdamOptions& options,
              ScalarSums& sums) const override;
};

}  // namespace shardopt::optim
