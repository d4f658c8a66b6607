/// One "path=value" of the command line into a TrainConfig.
#pragma once

#include <string_view>

#include "shardopt/config/train_config.h"

namespace shardopt::config {

/// Throws ConfigError, as "--set optimizer.lr=abc: not a number; allowed: >= 0".
void apply_override(std::string_view assignment, TrainConfig& config);

}  // namespace shardopt::config
