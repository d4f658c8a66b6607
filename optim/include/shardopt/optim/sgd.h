/// Stochastic gradient descent with momentum, decay decoupled.
#pragma once

#include <vector>

#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/sgd_options.h"

namespace shardopt::optim {

/// m = momentum m + g, from m = 0; the direction is m, or g + momentum m with nesterov,
/// or g without momentum, as torch.optim.SGD. State: slot "momentum", if there is any.
/// Elementwise: no communication, whatever the cut, but for caution's.
class Sgd final : public GroupedOptimizer<SgdOptions> {
 public:
  explicit Sgd(std::vector<ParamGroup<SgdOptions>> groups);

 private:
  void update(GroupTensors& tensors, const SgdOptions& options,
              ScalarSums& sums) const override;
};

}  // namespace shardopt::optim
