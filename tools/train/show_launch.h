/// What --show-launch answers.
#pragma once

#include <string>

#include "shardopt/distributed/launch.h"

namespace shardopt::train {

/// What training would run with, as lines "name: value", the last one with its end.
/// `backend` and `device` are as people call them; `threads` are those of this rank.
[[nodiscard]] std::string launch_text(const distributed::Launch& launch,
                                      const std::string& backend,
                                      const std::string& device, int threads);

/// Writes that to standard output at once, so that ranks which share it do not mix
/// their lines, and an empty line behind it if there are several. No rank waits for
/// another: it works where they cannot meet. Throws c10::Error if nobody can read it.
void show_launch(const distributed::Launch& launch, const std::string& backend,
                 const std::string& device, int threads);

}  // namespace shardopt::train
