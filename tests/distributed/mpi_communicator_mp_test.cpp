#include "shardopt/distributed/mpi_communicator.h"

#include <sys/resource.h>

#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "distributed/communicator_contract.h"
#include "distributed/mpi_test.h"
#include "mpi_job.h"
#include "shardopt/core/shard.h"

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;

void expect_contract(const test::RankEnvironment& env) {
  const auto comm = join_mpi_group();
  EXPECT_EQ(comm->rank(), env.rank);
  EXPECT_EQ(comm->size(), env.size);
  run_contract(*comm);
}

TEST(MpiCommunicatorMpTest, KeepsContractAlone) {
  test::run_mpi_ranks(1, expect_contract);
}
TEST(MpiCommunicatorMpTest, KeepsContractOf2) {
  test::run_mpi_ranks(2, expect_contract);
}
TEST(MpiCommunicatorMpTest, KeepsContractOf3) {
  test::run_mpi_ranks(3, expect_contract);
}
TEST(MpiCommunicatorMpTest, KeepsContractOf4) {
  test::run_mpi_ranks(4, expect_contract);
}
TEST(MpiCommunicatorMpTest, KeepsContractOf7) {
  test::run_mpi_ranks(7, expect_contract);
}

// Calls of 16 MiB are thousands of messages then.
TEST(MpiCommunicatorMpTest, KeepsContractInChunks) {
  test::run_mpi_ranks(3, [](const test::RankEnvironment&) {
    run_contract(*join_mpi_group({.chunk_bytes = 4099}));
  });
}

// No dtype's size divides 13; fp64 goes one by one.
TEST(MpiCommunicatorMpTest, KeepsContractOfCollectivesInTinyChunks) {
  test::run_mpi_ranks(4, [](const test::RankEnvironment&) {
    const auto comm = join_mpi_group({.chunk_bytes = 13});
    for (const ContractCase& contract_case : collective_cases()) {
      SCOPED_TRACE(contract_case.name);
      contract_case.run(*comm);
    }
  });
}

TEST(MpiCommunicatorMpTest, GroupsDoNotMeetEachOther) {
  test::run_mpi_ranks(2, [](const test::RankEnvironment&) {
    const auto one = join_mpi_group();
    const auto other = join_mpi_group();
    expect_apart(*one, *other);
  });
}

// Rows {0, 1} and {2, 3}; columns {2, 0} and {3, 1}, in this order.
TEST(MpiCommunicatorMpTest, KeepsContractInRowsAndColumns) {
  test::run_mpi_ranks(4, [](const test::RankEnvironment& env) {
    const int begin = env.rank / 2 * 2;
    const auto row = join_mpi_group({.ranks = {begin, begin + 1}});
    const auto column = join_mpi_group({.ranks = {env.rank % 2 + 2, env.rank % 2}});
    EXPECT_EQ(row->rank(), env.rank % 2);
    EXPECT_EQ(column->rank(), 1 - env.rank / 2);

    run_contract(*row);
    run_contract(*column);

    at::Tensor row_sum = at::full({1}, env.rank);
    at::Tensor column_sum = at::full({1}, env.rank);
    row->all_reduce(row_sum, ReduceOp::kSum)->wait();
    column->all_reduce(column_sum, ReduceOp::kSum)->wait();
    EXPECT_EQ(row_sum.item<double>(), env.rank < 2 ? 1 : 5);
    EXPECT_EQ(column_sum.item<double>(), env.rank % 2 == 0 ? 2 : 4);
  });
}

// A group that is gone leaves room for others.
TEST(MpiCommunicatorMpTest, ManyGroupsAfterEachOtherAreMade) {
  test::run_mpi_ranks(2, [](const test::RankEnvironment&) {
    for (int i = 0; i < 100; ++i) {
      const auto comm = join_mpi_group();
      at::Tensor tensor = at::ones({3});
      comm->all_reduce(tensor, ReduceOp::kSum)->wait();
      ASSERT_TRUE(at::equal(tensor, at::full({3}, 2.0)));
    }
  });
}

milliseconds cpu_time() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto in_ms = [](const timeval& time) {
    return milliseconds(time.tv_sec * 1000 + time.tv_usec / 1000);
  };
  return in_ms(usage.ru_utime) + in_ms(usage.ru_stime);
}

// Measured: 30 to 80 ms of CPU time.
TEST(MpiCommunicatorMpTest, WaitingForSlowPeerLeavesTheCoreToOthers) {
  test::run_mpi_ranks(2, [](const test::RankEnvironment& env) {
    constexpr milliseconds kLate{1000};
    const auto comm = join_mpi_group();
    comm->barrier()->wait();
    if (env.rank == 1) std::this_thread::sleep_for(kLate);
    const milliseconds before = cpu_time();

    comm->barrier()->wait();

    EXPECT_LT(cpu_time() - before, kLate / 3);
  });
}

// Nobody waits, and nobody calls MPI but the thread that is there for it.
TEST(MpiCommunicatorMpTest, MessagesMoveWhileNobodyWaits) {
  test::run_mpi_ranks(2, [](const test::RankEnvironment& env) {
    const auto comm = join_mpi_group();
    at::Tensor tensor = at::full({1 << 20}, env.rank + 1.0);
    const auto work = comm->all_reduce(tensor, ReduceOp::kSum);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);

    while (!mpi_progress().is_idle() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds(1));
    }

    EXPECT_TRUE(at::equal(tensor, at::full_like(tensor, 3.0)));
    work->wait();
  });
}

TEST(MpiCommunicatorMpTest, TextOfFirstRankReachesAll) {
  test::run_mpi_ranks(3, [](const test::RankEnvironment& env) {
    const std::string longest(kMostTextBytes, 'x');
    const MpiJob job = join_mpi();
    EXPECT_EQ(job.rank, env.rank);
    EXPECT_EQ(job.size, env.size);
    const auto tell = [&](const std::string& text) {
      return broadcast_text(env.rank == 0 ? text : "", std::chrono::seconds(20));
    };

    EXPECT_EQ(tell("10.0.0.1 4711"), "10.0.0.1 4711");
    EXPECT_EQ(tell(""), "");
    EXPECT_EQ(tell(longest), longest);
    EXPECT_THROW((void)broadcast_text(longest + "x", std::chrono::seconds(20)),
                 c10::Error);
  });
}

}  // namespace
}  // namespace shardopt::distributed
