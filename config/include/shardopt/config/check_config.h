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
/// Not looked at: what lies in files, and names of optimizers and transforms, which
/// registries know.
void check_config(const TrainConfig& config, int ranks);

/// The part of check_config that is about optimizer, transforms, loss scale and
/// average, but for the ranges of single values.
void check_update(const TrainConfig& config);

/// Blocks that were given but that nothing selects, as "optimizer.lion" where neither
/// optimizer.name nor a group's algorithm does, or "optimizer.muon.lion" where
/// muon.internal does not. In the order of help.
[[nodiscard]] std::vector<std::string> unused_blocks(const TrainConfig& config);

}  // namespace shardopt::config
