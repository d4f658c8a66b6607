// What load promises where ranks work together; reshard_test has the cuts.
#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/save_cases.h"
#include "checkpoint/state_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/checkpoint/load.h"
#include "support/scratch_dir.h"
#include "support/thread_meshes.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

using distributed::Communicator;
using distributed::Mesh;
using test::failure_of;

const SaveOptions kBuffered{.direct_io = false};

TEST(LoadRanksTest, EveryRankThrowsWhatOneRankHasFound) {
  const test::ScratchDir scratch(memory_folder());
  std::array<std::string, 3> texts;
  test::run_thread_ranks(3, [&](Communicator& world) {
    save(scratch.path(), 1, numbered_state(4, 3, world.rank()), world, kBuffered);
    const auto destination = [&](const StateTree&) -> StateTree {
      if (world.rank() == 1) SHARDOPT_THROW(CheckpointError, "cannot take it");
      return numbered_state(0, 3, world.rank());
    };
    StateTree state;
    texts.at(world.rank()) =
        failure_of([&] { (void)load(scratch.path(), destination, state, world); });
  });

  for (const std::string& text : texts) {
    EXPECT_EQ(text, "mismatch: rank 1: cannot take it");
  }
}

TEST(LoadRanksTest, PerRankTensorsOfOtherRanksAreReported) {
  const test::ScratchDir scratch(memory_folder());
  test::run_mesh_ranks(2, [&](const Mesh& mesh) {
    save(scratch.path(), 1, make_state(2, mesh.rank(), 0, mesh.rank()), mesh,
         kBuffered);
  });
  test::run_mesh_ranks(3, [&](const Mesh& mesh) {
    StateTree state = make_state(3, mesh.rank(), 0, mesh.rank());
    spoil(state);
    const at::Tensor spoilt = state.child("rng").tensors.at("dropout").tensor.clone();
    const LoadReport report = load(scratch.path(), state, mesh);
    EXPECT_EQ(report.per_rank_skipped, std::vector<std::string>{"rng/dropout"});
    EXPECT_TRUE(at::equal(state.child("rng").tensors.at("dropout").tensor, spoilt));
  });
}

/// The failure of a load by ranks of `to` of what ranks of `from` saved.
std::string failure_between(const test::MeshSize& from, const test::MeshSize& to) {
  const test::ScratchDir scratch(memory_folder());
  const auto state_on = [](const Mesh& mesh) {
    return numbered_state(4, mesh.shard().size(), mesh.shard().rank());
  };
  test::run_mesh_ranks(from, [&](const Mesh& mesh) {
    save(scratch.path(), 1, state_on(mesh), mesh, kBuffered);
  });
  std::vector<std::string> texts(static_cast<std::size_t>(to.shard * to.replicate));
  test::run_mesh_ranks(to, [&](const Mesh& mesh) {
    StateTree state = state_on(mesh);
    texts.at(mesh.rank()) = failure_of(
        [&] { (void)load(scratch.path(), state, mesh, {.require_same_ranks = true}); });
  });
  for (const std::string& text : texts) EXPECT_EQ(text, texts.front());
  return texts.front();
}

TEST(LoadRanksTest, RefusesOtherRanksOrCopiesIfTheSameAreRequired) {
  EXPECT_EQ(failure_between({2, 1}, {2, 1}), "no failure");
  EXPECT_EQ(failure_between({2, 2}, {2, 2}), "no failure");
  const std::string more = failure_between({2, 1}, {3, 1});
  EXPECT_TRUE(more.starts_with("mismatch: ")) << more;
  EXPECT_NE(more.find("2 ranks in 1 copies, here are 3 in 1"), std::string::npos)
      << more;
  const std::string copies = failure_between({2, 2}, {4, 1});
  EXPECT_NE(copies.find("4 ranks in 2 copies, here are 4 in 1"), std::string::npos)
      << copies;
}

}  // namespace
}  // namespace shardopt::checkpoint
