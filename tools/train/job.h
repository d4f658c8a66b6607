/// The job that this process is a rank of.
#pragma once

#include <exception>
#include <optional>

#include "shardopt/distributed/launch_mesh.h"

namespace shardopt::train {

/// What has been found out and set up so far; destroyed only after an orderly end: on a
/// failure, taking groups down would wait for peers that may be gone.
struct Job {
  std::optional<distributed::Launch> launch{};
  distributed::Meeting meeting{};
  std::optional<distributed::Mesh> mesh{};
};

/// Writes one line with the rank to standard error, and the file that torchrun reads if
/// it has named one; then tells the peers, and waits for a moment until they have
/// failed as well, since a launcher kills them when the first rank ends. Ends the
/// process.
[[noreturn]] void fail(const Job& job, const std::exception& error);

}  // namespace shardopt::train
