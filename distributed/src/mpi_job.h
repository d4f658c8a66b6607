/// MPI as this process has it: initialized with the first use, and shared by all
/// groups.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "mpi_library.h"
#include "mpi_progress.h"
#include "shardopt/distributed/group_context.h"
#include "shardopt/distributed/mpi_communicator.h"

namespace shardopt::distributed {

/// This process in MPI's world.
struct MpiJob {
  int rank;
  int size;
};

/// Initializes MPI, if nothing has yet. Throws ConfigError if this build has no MPI, or
/// MPI no MPI_THREAD_MULTIPLE; CommError if not all ranks have come within `timeout`.
[[nodiscard]] MpiJob join_mpi(
    std::chrono::milliseconds timeout = std::chrono::minutes(5));

inline constexpr std::size_t kMostTextBytes = 255;

/// On every rank the text of rank 0, of at most kMostTextBytes. Collective over MPI's
/// world. Throws as join_mpi does, and CommError if the text does not come within
/// `timeout`.
[[nodiscard]] std::string broadcast_text(const std::string& text_of_rank_0,
                                         std::chrono::milliseconds timeout);

/// A group of `options`, as make_mpi_communicator has it.
[[nodiscard]] std::unique_ptr<MpiGroup> make_mpi_group(const MpiOptions& options,
                                                       const GroupContext& context);

/// What moves the messages of this process. After join_mpi only.
[[nodiscard]] MpiProgress& mpi_progress();

/// The library of that name. It stays open, as whatever it has made needs its code.
/// Throws ConfigError if there is none.
[[nodiscard]] MpiLibrary& open_mpi_library(const char* name = kMpiLibrary);

}  // namespace shardopt::distributed
