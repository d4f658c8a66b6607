/// The last part of an update, the same for every algorithm.
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/optim/group.h"
#include "shardopt/optim/scalar_sums.h"
#include "shardopt/optim/update_rules.h"

namespace shardopt::optim {

using Tensors = std::vector<at::Tensor>;

inline constexpr double kCautionEps = 1e-8;  // Where an algorithm has none.

/// lr and decay of a step, schedules included: decay = lr of the decay x weight_decay.
struct StepSize {
  double lr;
  double decay;
};

/// Of options that have lr, weight_decay and rules, in force.
template <typename Options>
[[nodiscard]] StepSize step_size(const Options& options) {
  return {options.lr,
          options.rules.decay_lr.value_or(options.lr) * options.weight_decay};
}

/// Calls `then` with `directions`, cautious if the rules say so: entries are kept where
/// `signs` times gradient is positive. `tensors` and `rules` outlive the update.
void with_caution(const GroupTensors& tensors, Tensors directions, const Tensors& signs,
                  const UpdateRules& rules, double eps, ScalarSums& sums,
                  std::function<void(Tensors)> then);

/// What is taken from `rows` for decay, cautious if the rules say so: `decay` times
/// rows, or zeros where direction * row is negative.
[[nodiscard]] Tensors decay_of(const GroupTensors& tensors, const Tensors& directions,
                               double decay, const UpdateRules& rules);

/// rows -= lr direction, with decay in its order.
void move_rows(const GroupTensors& tensors, const Tensors& directions,
               const StepSize& size, const UpdateRules& rules);

/// Caution, decay and the step.
void take_step(const GroupTensors& tensors, Tensors directions, const StepSize& size,
               const UpdateRules& rules, double eps, ScalarSums& sums);

}  // namespace shardopt::optim
