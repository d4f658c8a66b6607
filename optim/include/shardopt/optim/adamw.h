/// AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2), by LibTorch's
/// fused kernel.
#pragma once

#include <vector>

#include "shardopt/optim/adamw_options.h"
#include "shardopt/optim/grouped_optimizer.h"

namespace shardopt::optim {

/// State: slots "exp_avg" (m) and "exp_avg_sq" (v). Elementwise: no communication,
/// whatever the cut. The kernel may round the last entries of a tensor, beyond a
/// multiple of 16, in another way: rows of 16 k numbers have the same bits at any cut,
/// others may differ in the last place.
class AdamW final : public GroupedOptimizer<AdamWOptions> {
 public:
  explicit AdamW(std::vector<ParamGroup<AdamWOptions>> groups);

 private:
  void update(GroupTensors& tensors, const AdamWOptions& options) const override;
};

}  // namespace shardopt::optim
