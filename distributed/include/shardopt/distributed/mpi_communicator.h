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
  /// Largest single message; MPI counts in int. 1 to 2^30; reductions send one element
  /// at least.
  int64_t chunk_bytes = int64_t{1} << 30;
};

/// Tensors are on the CPU; messages move on a thread of their own. MPI is initialized
/// with the first group, for all threads, unless the process has done so. A group has a
/// communicator of its own, so groups do not meet each other.
///
/// Collective over MPI's world: every rank makes its groups in the same order. Throws
/// ConfigError if this build has no MPI, or MPI has no MPI_THREAD_MULTIPLE; CommError
/// if the others do not come within the context's limit.
///
/// What we have initialized is finalized when the process ends in order, with nothing
/// under way: it waits for the other ranks then, as long as the context's limit allows.
/// A rank that ends otherwise is, to mpirun, one that has failed.
[[nodiscard]] std::unique_ptr<Communicator> make_mpi_communicator(MpiOptions options,
                                                                  GroupContext context);

/// This rank has failed: when the process ends it does not wait for the others to
/// finalize MPI. Nothing if MPI is not in use.
void skip_mpi_finalize() noexcept;

/// Ends every process of the job at once. For a rank that cannot tell its peers in any
/// other way that it has failed. Throws c10::Error if MPI is not in use.
[[noreturn]] void abort_mpi(int exit_code);

}  // namespace shardopt::distributed
