/// Connections to the store of a launch.
#pragma once

#include <chrono>
#include <string>

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "shardopt/distributed/launch.h"

namespace shardopt::distributed {

/// Keeps c10d's (heavy) header out of public ones.
struct StoreHandle {
  c10::intrusive_ptr<::c10d::Store> store;
  std::string prefix;  ///< Of its keys; new in each attempt of a job.
  int meshes = 0;      ///< Made over it; so that their groups do not meet each other.
};

/// Throws ConfigError, beginning with `reason`, unless MPI counts this process as the
/// rank that `launch` says. Throws as join_mpi does.
void check_mpi_ranks(const Launch& launch, const std::string& reason,
                     std::chrono::milliseconds timeout);

/// As make_store. On rank 0 sets the restart count of `launch` to the attempts before
/// this one, as far as any rank knows of them.
[[nodiscard]] StoreHandle meet_at_address(Launch& launch,
                                          std::chrono::milliseconds timeout);

/// For a launch whose meeting is kMpi: rank 0 opens a store on a free port of its
/// machine and tells the others over MPI where. Sets the address and port of `launch`,
/// and its meeting to kAddress. Throws ConfigError if MPI is absent, or counts other
/// ranks than the launcher; CommError after `timeout`.
[[nodiscard]] StoreHandle meet_through_mpi(Launch& launch,
                                           std::chrono::milliseconds timeout);

/// One more connection to the store that `handle` is of, with the same keys. Throws
/// CommError after `timeout`.
[[nodiscard]] c10::intrusive_ptr<::c10d::Store> connect_again(
    const Launch& launch, const StoreHandle& handle, std::chrono::milliseconds timeout);

}  // namespace shardopt::distributed
