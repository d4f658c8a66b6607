/// Weights of a safetensors file into a model's rows.
#pragma once

#include <string>
#include <vector>

#include "shardopt/config/train_config.h"
#include "shardopt/core/state_tree.h"

namespace shardopt::train {

/// Copies into the tensors of `model`, a model_state, their rows of the file
/// options.init, under their names or, if tied, any of their names. Returns the names
/// that options.init_allow_missing or init_ignore left as they were.
///
/// Throws CheckpointError, before anything changed, with every difference that the
/// options do not allow. Local.
[[nodiscard]] std::vector<std::string> read_weights_file(
    const config::ModelOptions& options, const StateTree& model);

}  // namespace shardopt::train
