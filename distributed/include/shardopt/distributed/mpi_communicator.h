/// Collectives through MPI.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "shardopt/distributed/communicator.h"
#include "shardopt/distributed/group_context.h"

namespace shardopt::distributed {

struct MpiOptions {
  /// Ranks of MPI's world that form the group, in the group's order; empty: all. Each
  /// rank of the world is in exactly one of the groups that are made together.
  std::vector<int> ranks{};
  /// Largest single message; MPI counts in int. Between 1 and 2^30.
  int64_t chunk_bytes = int64_t{1} << 30;
};

/// Tensors are on the CPU. MPI is initialized with the first group, for all threads, and
/// finalized when the process ends in order. A group has a communicator of its own, so
/// groups do not meet each other.
///
/// Collective over MPI's world: every rank makes its groups in the same order. Throws
/// ConfigError if this build has no MPI, or MPI has no MPI_THREAD_MULTIPLE; CommError
/// if the others do not come within the context's limit.
[[nodiscard]] std::unique_ptr<Communicator> make_mpi_communicator(MpiOptions options,
                                                                  GroupContext context);

}  // namespace shardopt::distributed
