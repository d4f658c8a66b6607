/// Schedule-Free SGD (Defazio et al. 2024, arXiv:2405.15682, and its code).
#pragma once

#include <vector>

#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/schedule_free_options.h"

namespace shardopt::optim {

/// As ScheduleFreeAdamW's official form, with the gradient itself as the step and
/// `momentum` for beta1. State: slot "z".
class ScheduleFreeSgd final : public GroupedOptimizer<ScheduleFreeSgdOptions> {
 public:
  explicit ScheduleFreeSgd(std::vector<ParamGroup<ScheduleFreeSgdOptions>> groups);

 private:
  void update(GroupTensors& tensors, const ScheduleFreeSgdOptions& options,
              ScalarSums& sums) const override;
  [[nodiscard]] at::Tensor evaluation_rows(std::size_t group, const at::Tensor& rows,
                                           const Slots& slots) const override;
};

}  // namespace shardopt::optim
