/// Adam and AdamW (Kingma & Ba 2015, arXiv:1412.6980; decoupled decay of Loshchilov &
/// Hutter 2019, arXiv:1711.05101, Algorithm 2).
#pragma once

#include <string>
#include <vector>

#include "shardopt/optim/adam_options.h"
#include "shardopt/optim/grouped_optimizer.h"

namespace shardopt::optim {

/// State: slots "exp_avg" (m), "exp_avg_sq" (v) and, with amsgrad, "max_exp_avg_sq".
/// Elementwise: no communication, whatever the cut, but for caution's.
///
/// Without caution and with decay before the step it is LibTorch's fused kernel, which
/// may round the last entries of a tensor, beyond a multiple of 16, in another way:
/// rows of 16 k numbers have the same bits at any cut, others may differ in the last
/// place.
class Adam final : public GroupedOptimizer<AdamOptions> {
 public:
  /// `kind` is "adam" or "adamw", which differ in their defaults only.
  explicit Adam(std::vector<ParamGroup<AdamOptions>> groups, std::string kind = "adam");

 private:
  void update(GroupTensors& tensors, const AdamOptions& options,
              ScalarSums& sums) const override;
};

}  // namespace shardopt::optim
