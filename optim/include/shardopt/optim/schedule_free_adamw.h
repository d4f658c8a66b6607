/// Schedule-Free AdamW (Defazio et al. 2024, "The Road Less Scheduled",
/// arXiv:2405.15682, Algorithm 1).
#pragma once

#include <vector>

#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/schedule_free_options.h"

namespace shardopt::optim {

/// Weights that train are y = (1 - beta1) z + beta1 x: z takes the steps, x averages z
/// and is the point to evaluate and export.
///
/// State: slots "z" and "exp_avg_sq"; x is not stored. Counts, sums of weights and the
/// largest lr belong to the group, as does t of the bias correction. Elementwise: no
/// communication, whatever the cut, but for caution's, which masks the step before
/// decay.
class ScheduleFreeAdamW final : public GroupedOptimizer<ScheduleFreeAdamWOptions> {
 public:
  explicit ScheduleFreeAdamW(std::vector<ParamGroup<ScheduleFreeAdamWOptions>> groups);

 private:
  void update(GroupTensors& tensors, const ScheduleFreeAdamWOptions& options,
              ScalarSums& sums) const override;
  [[nodiscard]] at::Tensor evaluation_rows(std::size_t group, const at::Tensor& rows,
                                           const Slots& slots) const override;
};

}  // namespace shardopt::optim
