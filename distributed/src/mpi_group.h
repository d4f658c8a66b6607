/// Communicators of MPI, for libshardopt_mpi.so alone.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <memory>

#include "mpi_library.h"

namespace shardopt::distributed {

/// Throws std::runtime_error, naming `call` and what MPI says, unless `status` is
/// success.
void check_mpi(const char* call, int status);

[[nodiscard]] bool is_mpi_finalized();

/// Takes `comm`, makes it report errors, and frees it once the group and its requests
/// are gone: nothing is under way then, and freeing tells nobody.
[[nodiscard]] std::unique_ptr<MpiGroup> make_group_of(MPI_Comm comm,
                                                      int64_t chunk_bytes);

}  // namespace shardopt::distributed
