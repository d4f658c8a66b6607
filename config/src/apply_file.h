/// A configuration file into a TrainConfig.
#pragma once

#include <string>

#include "shardopt/config/train_config.h"

#include "field_scan.h"

namespace shardopt::config {

/// A file's text, and what messages call it.
struct ConfigText {
  std::string name;
  std::string text;
  Syntax syntax;
  bool has_lines = true;  ///< Whether messages say in which line something stands.
};

/// Sets what `file` sets. Throws ConfigError as load_config says.
void apply_file(const ConfigText& file, TrainConfig& config);

}  // namespace shardopt::config
