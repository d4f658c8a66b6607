/// Runs a test body once per rank of an MPI job.
#pragma once

#include <chrono>
#include <vector>

#include "support/rank_launcher.h"

namespace shardopt::test {

/// As run_ranks, but mpirun starts the ranks, and has to end with exit code 0.
void run_mpi_ranks(int size, const RankBody& body,
                   std::chrono::seconds timeout = std::chrono::seconds(60));

/// For bodies in which ranks fail, so that mpirun ends the job. The test passes if each
/// of `survivors` comes to the end of the body without a failed assertion, and mpirun
/// ends within `timeout`, not with exit code 0.
void run_failing_mpi_ranks(int size, const std::vector<int>& survivors,
                           const RankBody& body,
                           std::chrono::seconds timeout = std::chrono::seconds(30));

}  // namespace shardopt::test
