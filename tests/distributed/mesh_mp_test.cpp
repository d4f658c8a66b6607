#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "distributed/c10d_test.h"
#include "distributed/communicator_contract.h"
#include "shardopt/core/error.h"
#include "shardopt/core/shard.h"
#include "shardopt/distributed/launch_mesh.h"

namespace shardopt::distributed {
namespace {

constexpr std::chrono::seconds kTimeout{20};

// A job whose store rank 0 hosts, on any free port, as torchrun's agent does. Jobs of
// one test have names of their own.
class Job {
 public:
  explicit Job(const test::RankEnvironment& env, const std::string& port_key = "port") {
    const c10::intrusive_ptr<::c10d::Store> file = store_of(env);
    if (env.rank == 0) {
      ::c10d::TCPStoreOptions options;
      options.port = 0;
      options.isServer = true;
      options.waitWorkers = false;
      agent_ = c10::make_intrusive<::c10d::TCPStore>("127.0.0.1", options);
      file->set(port_key, std::to_string(agent_->getPort()));
    }
    const std::vector<uint8_t> port = file->get(port_key);
    Launch launch;
    launch.launcher = "torchrun";
    launch.rank = env.rank;
    launch.size = env.size;
    launch.meeting = MeetingKind::kAddress;
    launch.master_address = "127.0.0.1";
    launch.master_port = std::stoi(std::string(port.begin(), port.end()));
    launch.agent_store = true;
    meeting_ = meet(launch, kTimeout);
  }

  [[nodiscard]] const Meeting& meeting() const noexcept { return meeting_; }

 private:
  c10::intrusive_ptr<::c10d::TCPStore> agent_;  // null on other ranks
  Meeting meeting_;
};

using Ranks = std::vector<int64_t>;

// Ranks of the world in the group's order, as the group itself tells.
Ranks members(Communicator& group, int world_rank) {
  Ranks offsets;
  for (int rank = 0; rank <= group.size(); ++rank) offsets.push_back(rank);
  at::Tensor ranks = at::full({group.size()}, -1, at::kLong);
  ranks[group.rank()] = world_rank;
  group.all_gather(ranks, Shard(offsets, group.rank()))->wait();
  const auto* data = ranks.const_data_ptr<int64_t>();
  return {data, data + ranks.numel()};
}

// `count` ranks from `first`, `step` apart.
Ranks every(int64_t step, int64_t first, int count) {
  Ranks ranks;
  for (int i = 0; i < count; ++i) ranks.push_back(first + i * step);
  return ranks;
}

TEST(MeshMpTest, GroupsOfEveryShapeHaveTheRanksOfTheirRowsAndCopies) {
  test::run_ranks(6, [](const test::RankEnvironment& env) {
    for (const int shards : {1, 3, 6}) {
      const Job job(env, c10::str("port of ", shards));
      const int copies = env.size / shards;
      const Mesh mesh =
          make_mesh(job.meeting(), {.shard = shards, .replicate = copies});
      const int first_of_copy = env.rank / shards * shards;
      EXPECT_EQ(mesh.rank(), env.rank);
      EXPECT_EQ(members(mesh.world(), env.rank), every(1, 0, env.size));
      EXPECT_EQ(members(mesh.shard(), env.rank), every(1, first_of_copy, shards));
      EXPECT_EQ(members(mesh.reduce(), env.rank), every(1, first_of_copy, shards));
      EXPECT_EQ(members(mesh.replicate(), env.rank),
                every(shards, env.rank % shards, copies));
      mesh.world().barrier()->wait();  // Nobody leaves a mesh that others still use.
    }
  });
}

TEST(MeshMpTest, EveryGroupKeepsTheContractWhereCallsAreChecked) {
  test::run_ranks(4, [](const test::RankEnvironment& env) {
    const Job job(env);
    const Mesh mesh =
        make_mesh(job.meeting(), {.shard = 2, .replicate = 0, .check_calls = true});
    run_contract(mesh.shard());
    run_contract(mesh.reduce());
    run_contract(mesh.replicate());
    run_contract(mesh.world());
  });
}

// Ranks 1 and 3 hold the same rows; the others go on.
TEST(MeshMpTest, CheckedCallsThatDifferFailTheirGroupByName) {
  test::run_ranks(4, [](const test::RankEnvironment& env) {
    const Job job(env);
    const Mesh mesh =
        make_mesh(job.meeting(), {.shard = 2, .replicate = 2, .check_calls = true});
    Communicator& copies = mesh.replicate();
    at::Tensor tensor = at::ones({env.rank == 3 ? 3 : 2});
    std::string failure = "none";
    try {
      copies.all_reduce(tensor, ReduceOp::kSum)->wait();
    } catch (const CommError& error) {
      failure = error.what_without_backtrace();
    }
    if (env.rank % 2 == 0) {
      EXPECT_EQ(failure, "none");
    } else {
      EXPECT_NE(failure.find("replicate/1"), std::string::npos) << failure;
      EXPECT_NE(failure.find("Float [2]"), std::string::npos) << failure;
      EXPECT_NE(failure.find("Float [3]"), std::string::npos) << failure;
    }
    mesh.world().barrier()->wait();
  });
}

TEST(MeshMpTest, WrongShapeAndBackendAreErrorsOnEveryRankAndLeaveTheJobUsable) {
  test::run_ranks(3, [](const test::RankEnvironment& env) {
    const Job job(env);
    EXPECT_THROW((void)make_mesh(job.meeting(), {.shard = 2}), ConfigError);
    EXPECT_THROW((void)make_mesh(job.meeting(), {.backend = BackendKind::kNccl}),
                 ConfigError);
    const Mesh mesh = make_mesh(job.meeting(), {});
    EXPECT_EQ(mesh.shard().size(), 3);
    mesh.world().barrier()->wait();
  });
}

TEST(MeshMpTest, OneRankMeetsNobodyAndHasTheMeshOfOne) {
  const Meeting meeting = meet(Launch(), kTimeout);
  EXPECT_EQ(meeting.store, nullptr);
  EXPECT_EQ(make_mesh(meeting, {}).size(), 1);
  EXPECT_THROW((void)make_mesh(meeting, {.replicate = 2}), ConfigError);
}

}  // namespace
}  // namespace shardopt::distributed
