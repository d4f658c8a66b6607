// Programs that use MPI themselves.
#include <mpi.h>

#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "distributed/mpi_test.h"
#include "shardopt/core/error.h"

namespace shardopt::distributed {
namespace {

void initialize(int level) {
  int provided = MPI_THREAD_SINGLE;
  ASSERT_EQ(MPI_Init_thread(nullptr, nullptr, level, &provided), MPI_SUCCESS);
  ASSERT_EQ(provided, level);
}

// Their messages do not meet ours, and finalizing is left to them.
TEST(MpiCallerMpTest, MpiOfTheCallerIsUsed) {
  test::run_mpi_ranks(2, [](const test::RankEnvironment& env) {
    initialize(MPI_THREAD_MULTIPLE);
    {
      const auto comm = join_mpi_group();
      at::Tensor tensor = at::ones({3});
      int sum = env.rank;

      const auto work = comm->all_reduce(tensor, ReduceOp::kSum);
      MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
      work->wait();

      EXPECT_EQ(sum, 1);
      EXPECT_TRUE(at::equal(tensor, at::full({3}, 2.0)));
    }
    MPI_Finalize();
  });
}

TEST(MpiCallerMpTest, CommunicatorMayOutliveMpi) {
  test::run_mpi_ranks(2, [](const test::RankEnvironment&) {
    initialize(MPI_THREAD_MULTIPLE);
    const auto comm = join_mpi_group();
    comm->barrier()->wait();
    MPI_Finalize();
  });
}

TEST(MpiCallerMpTest, MpiWithoutThreadsIsNamedError) {
  test::run_mpi_ranks(2, [](const test::RankEnvironment&) {
    initialize(MPI_THREAD_FUNNELED);
    try {
      (void)join_mpi_group();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const ConfigError& error) {
      EXPECT_EQ(std::string(error.what_without_backtrace()),
                "MPI cannot start: MPI was initialized with MPI_THREAD_FUNNELED; "
                "needed: MPI_THREAD_MULTIPLE");
    }
    MPI_Finalize();
  });
}

TEST(MpiCallerMpTest, FinalizedMpiIsNamedError) {
  test::run_mpi_ranks(1, [](const test::RankEnvironment&) {
    initialize(MPI_THREAD_MULTIPLE);
    MPI_Finalize();
    try {
      (void)join_mpi_group();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const ConfigError& error) {
      EXPECT_EQ(std::string(error.what_without_backtrace()),
                "MPI cannot start: MPI has been finalized");
    }
  });
}

}  // namespace
}  // namespace shardopt::distributed
