// The weights that train, and those to evaluate.
#include <cstddef>

#include <ATen/core/grad_mode.h>

#include "shardopt/optim/optimizer.h"

namespace shardopt::optim {

void Optimizer::use_evaluation_point() {
  if (is_evaluating_) return;
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    for (Entry& entry : groups_[i].entries) {
      if (entry.steps == 0) continue;
      const at::Tensor& rows = entry.parameter.rows;
      const at::Tensor evaluated = evaluation_rows(i, rows, entry.slots);
      if (!evaluated.defined()) continue;
      entry.training_rows = rows.clone();
      rows.copy_(evaluated);
    }
  }
  for (const auto& [name, child] : children_) child->use_evaluation_point();
  is_evaluating_ = true;
}

void Optimizer::use_training_point() {
  if (!is_evaluating_) return;
  const at::NoGradGuard no_grad;
  for (Group& group : groups_) {
    for (Entry& entry : group.entries) {
      if (!entry.training_rows.defined()) continue;
      entry.parameter.rows.copy_(entry.training_rows);
      entry.training_rows.reset();
    }
  }
  for (const auto& [name, child] : children_) child->use_training_point();
  is_evaluating_ = false;
}

}  // namespace shardopt::optim
