#include "shardopt/distributed/c10d_communicator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "bench/counting_allocator.h"
#include "distributed/c10d_test.h"
#include "distributed/communicator_contract.h"
#include "shardopt/core/shard.h"

namespace shardopt::distributed {
namespace {

c10::intrusive_ptr<::c10d::Backend> own_gloo(const test::RankEnvironment& env) {
  return c10::make_intrusive<::c10d::ProcessGroupGloo>(
      store_of(env), env.rank, env.size,
      ::c10d::ProcessGroupGloo::Options::create_default(std::chrono::seconds(30)));
}

void expect_contract(const test::RankEnvironment& env) {
  const auto comm = join_gloo(env);
  EXPECT_EQ(comm->rank(), env.rank);
  EXPECT_EQ(comm->size(), env.size);
  run_contract(*comm);
}

TEST(C10dCommunicatorMpTest, KeepsContractAlone) {
  test::run_ranks(1, expect_contract);
}
TEST(C10dCommunicatorMpTest, KeepsContractOf2) { test::run_ranks(2, expect_contract); }
TEST(C10dCommunicatorMpTest, KeepsContractOf3) { test::run_ranks(3, expect_contract); }
TEST(C10dCommunicatorMpTest, KeepsContractOf4) { test::run_ranks(4, expect_contract); }
TEST(C10dCommunicatorMpTest, KeepsContractOf7) { test::run_ranks(7, expect_contract); }

TEST(C10dCommunicatorMpTest, KeepsContractOverBackendAndGroupOfCaller) {
  test::run_ranks(2, [](const test::RankEnvironment& env) {
    const auto gloo = own_gloo(env);
    const auto group =
        c10::make_intrusive<::c10d::ProcessGroup>(store_of(env), env.rank, env.size);
    group->setBackend(c10::kCPU, ::c10d::ProcessGroup::BackendType::GLOO, gloo);

    run_contract(*make_c10d_communicator(gloo));
    run_contract(*make_c10d_communicator(group));

    EXPECT_THROW((void)make_c10d_communicator(group, c10::kCUDA), c10::Error);
  });
}

// Two groups over one store do not meet each other.
TEST(C10dCommunicatorMpTest, GroupsOfOneStoreAreKeptApartByName) {
  test::run_ranks(2, [](const test::RankEnvironment& env) {
    const auto store = store_of(env);
    const C10dOptions options{.rank = env.rank, .size = env.size};
    const auto one = make_c10d_communicator(store, "one", options);
    const auto other = make_c10d_communicator(store, "other", options);
    expect_apart(*one, *other);
  });
}

// One of 4 ranks holds all of 48 MiB: at once it would receive 192 MiB.
TEST(C10dCommunicatorMpTest, ReduceScatterToOneRankTakesNoMoreThanTheWhole) {
  test::run_ranks(4, [](const test::RankEnvironment& env) {
    constexpr int64_t kRows = 12 << 20;  // of one fp32
    const auto comm = join_gloo(env);
    const Shard cut({0, 0, kRows, kRows, kRows}, env.rank);
    const at::Tensor whole = at::full({kRows}, env.rank + 1.0);
    at::Tensor piece = at::empty({cut.local_rows()});
    const bench::CountingAllocator memory;

    comm->reduce_scatter(whole, piece, cut)->wait();
    const int64_t peak_bytes = memory.peak_bytes();

    EXPECT_TRUE(at::equal(piece, at::full_like(piece, 10.0)));  // 1 + 2 + 3 + 4
    EXPECT_LE(peak_bytes, static_cast<int64_t>(whole.nbytes()));
  });
}

TEST(C10dCommunicatorMpTest, EvenReduceScatterTakesNoMoreThanTheWhole) {
  test::run_ranks(3, [](const test::RankEnvironment& env) {
    constexpr int64_t kRows = 12 << 20;
    const auto comm = join_gloo(env);
    const Shard cut({0, kRows / 3, 2 * kRows / 3, kRows}, env.rank);
    const at::Tensor whole = at::full({kRows}, env.rank + 1.0);
    at::Tensor piece = at::empty({cut.local_rows()});
    const bench::CountingAllocator memory;

    comm->reduce_scatter(whole, piece, cut)->wait();

    EXPECT_LE(memory.peak_bytes(), static_cast<int64_t>(whole.nbytes()));
  });
}

}  // namespace
}  // namespace shardopt::distributed
