/// MPI as a transport.
#pragma once

#include <memory>

#include "mpi_library.h"
#include "transport.h"

namespace shardopt::distributed {

/// Over tensors on the CPU; messages move on the thread of mpi_progress().
[[nodiscard]] std::unique_ptr<Transport> make_mpi_transport(
    std::unique_ptr<MpiGroup> group);

}  // namespace shardopt::distributed
