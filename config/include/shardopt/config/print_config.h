/// A TrainConfig for people to read, and for ranks to compare.
#pragma once

#include <cstdint>
#include <string>

#include "shardopt/config/train_config.h"

namespace shardopt::config {

/// Every field in text format. load_config gives the same values back, bit for bit;
/// what is unset is a comment, and so is a preset that sets it.
[[nodiscard]] std::string print_config(const TrainConfig& config);

/// One line per field: path, type, default, what is allowed, meaning.
[[nodiscard]] std::string config_help();

/// A hash of what must be the same on every rank: all but output.path and
/// train.threads.
[[nodiscard]] uint64_t config_fingerprint(const TrainConfig& config);

}  // namespace shardopt::config
