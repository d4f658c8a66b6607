/// Nadam and NadamW (Dozat 2016, "Incorporating Nesterov Momentum into Adam"), decay
/// decoupled.
#pragma once

#include <string>
#include <vector>

#include "shardopt/optim/adam_options.h"
#include "shardopt/optim/grouped_optimizer.h"

namespace shardopt::optim {

/// State: as Adam's. Elementwise: no communication, whatever the cut, but for
/// caution's.
///
/// Form keras takes the products of Dozat's momentum schedule from each parameter's
/// count of updates, as if beta1 had always been what it is.
class Nadam final : public GroupedOptimizer<NadamOptions> {
 public:
  /// `kind` is "nadam" or "nadamw", which differ in their defaults only.
  explicit Nadam(std::vector<ParamGroup<NadamOptions>> groups,
                 std::string kind = "nadam");

 private:
  void update(GroupTensors& tensors, const NadamOptions& options,
              ScalarSums& sums) const override;
};

}  // namespace shardopt::optim
