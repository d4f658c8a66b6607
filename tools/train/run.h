/// A whole training run, from data to the last file.
#pragma once

#include "shardopt/config/train_config.h"
#include "train/job.h"

namespace shardopt::train {

/// Trains as `config`, the same on every rank and checked, says; rank 0 speaks, on
/// standard output, and writes the output folder. `job` is complete.
///
/// Returns 0, or the signal that ended the run early; files are complete either way.
/// Throws ConfigError, CommError, CheckpointError or ShardingError. Collective.
int run_training(const config::TrainConfig& config, const Job& job);

}  // namespace shardopt::train
