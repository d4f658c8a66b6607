/// The gradient transforms of a run.
#pragma once

#include <vector>

#include "shardopt/config/train_config.h"

namespace shardopt::config {

/// `config.transforms` with what train.accumulation and train.clip_norm are short for:
/// `accumulate` at the front, behind `unscale`, and `clip_global_norm` in torch's form
/// at the end.
[[nodiscard]] std::vector<optim::TransformRule> train_transforms(
    const TrainConfig& config);

}  // namespace shardopt::config
