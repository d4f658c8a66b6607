/// The command line of shardopt-train.
#pragma once

#include <string>

#include "shardopt/config/load_config.h"
#include "shardopt/distributed/launch.h"

namespace shardopt::train {

struct CommandLine {
  config::ConfigSources sources{};
  distributed::LaunchFlags launch{};
  bool prints_config = false;
  bool lists_optimizers = false;
  bool shows_launch = false;
  bool is_done = false;  ///< --help was answered, or the command line is wrong.
  int exit_code = 0;     ///< If done.
};

/// Answers --help, with or without a topic, on standard output, and mistakes on
/// standard error.
[[nodiscard]] CommandLine parse_command_line(int argc, const char* const* argv);

}  // namespace shardopt::train
