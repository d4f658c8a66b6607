/// Whether the values of a TrainConfig fit each other.
#pragma once

#include <string>
#include <vector>

#include "shardopt/config/train_config.h"

namespace shardopt::config {

/// Throws ConfigError, one line that names fields and values, if a value is out of its
/// range or values do not fit each other or a job of `ranks` ranks. Pure: with equal
/// arguments every rank decides alike.
///
/// Not looked at: what lies in files, and names of optimizers, which a registry knows.
void check_config(const TrainConfig& config, int ranks);

/// Blocks that were given but that neither optimizer.name nor a group's algorithm
/// selects, sorted, as "optimizer.lion".
[[nodiscard]] std::vector<std::string> unused_blocks(const TrainConfig& config);

}  // namespace shardopt::config
