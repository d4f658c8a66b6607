/// A whole training run, from data to the last file.
#pragma once

#include <string>

#include "shardopt/config/train_config.h"
#include "shardopt/distributed/mesh.h"

namespace shardopt::train {

/// Trains as `config`, the same on every rank and checked, says; rank 0 speaks, on
/// standard output, and writes the output folder. `launcher` is named in what it says.
///
/// Returns 0, or the signal that ended the run early; files are complete either way.
/// Throws ConfigError, CommError or CheckpointError. Collective.
int run_training(const config::TrainConfig& config, const distributed::Mesh& mesh,
                 const std::string& launcher);

}  // namespace shardopt::train
