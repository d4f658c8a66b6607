/// The weights to evaluate that a step holds.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "checkpoint/step_path.h"

namespace shardopt::checkpoint_tool {

/// The whole weight that is stored as `name`, at the evaluation point: its average
/// where the step has one, else what Schedule-Free averages, else the weight itself.
/// Throws CheckpointFailure if it cannot be read.
[[nodiscard]] at::Tensor evaluation_weight(const OpenStep& step,
                                           const std::string& name);

}  // namespace shardopt::checkpoint_tool
