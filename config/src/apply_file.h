/// A configuration file into a TrainConfig.
#pragma once

#include <filesystem>

#include "shardopt/config/train_config.h"

namespace shardopt::config {

/// Sets what the file sets. Throws ConfigError as load_config says.
void apply_file(const std::filesystem::path& path, TrainConfig& config);

}  // namespace shardopt::config
