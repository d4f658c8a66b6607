/// Weights that training begins with.
#pragma once

#include <string>
#include <vector>

#include "shardopt/config/train_config.h"

namespace shardopt::distributed {
class Mesh;
class ShardedModel;
}  // namespace shardopt::distributed

namespace shardopt::train {

/// Sets the weights of `model` to those of options.init: a step folder, or the newest
/// one of a root (damaged: an error), of which every block is verified, or a file whose
/// name ends in
/// ".safetensors", which every rank reads whole. Nothing else of a checkpoint is taken.
///
/// Returns what there is to say: from where, and which weights were left as they were.
/// Throws CheckpointError with every difference that options.init_* do not allow, and
/// for a pattern that matches nothing; then weights of a file are unchanged.
/// Collective.
[[nodiscard]] std::vector<std::string> init_weights(const config::ModelOptions& options,
                                                    const distributed::Mesh& mesh,
                                                    distributed::ShardedModel& model);

}  // namespace shardopt::train
