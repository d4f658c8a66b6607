/// How the program says that it failed.
#pragma once

#include <exception>
#include <optional>

#include "shardopt/distributed/launch.h"

namespace shardopt::train {

/// Writes one line with the rank to standard error, and the file that torchrun reads
/// if there is one. Returns the exit code.
int report_failure(const std::optional<distributed::Launch>& launch,
                   const std::exception& error);

}  // namespace shardopt::train
