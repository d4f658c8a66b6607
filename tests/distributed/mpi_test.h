/// Groups of MPI for the ranks of a test.
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "shardopt/distributed/mpi_communicator.h"
#include "shardopt/distributed/wait_limit.h"
#include "support/mpi_launcher.h"

namespace shardopt::distributed {

inline std::unique_ptr<Communicator> join_mpi_group(
    MpiOptions options = {},
    std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  return make_mpi_communicator(
      std::move(options),
      {.name = "test", .limit = std::make_shared<const WaitLimit>(timeout)});
}

}  // namespace shardopt::distributed
