// A state goes through ranks and cuts of every kind, and stays the same bits.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/save_cases.h"
#include "checkpoint/state_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/checkpoint/load.h"
#include "support/scratch_dir.h"
#include "support/thread_meshes.h"

namespace shardopt::checkpoint {
namespace {

using distributed::Mesh;
using test::MeshSize;

const SaveOptions kOptions{.block_bytes = 1 << 16};

StateTree state_on(const Mesh& mesh, int seed) {
  return make_state(mesh.shard().size(), mesh.shard().rank(), seed, mesh.rank());
}

struct Hop {
  MeshSize size;
  int seed;  ///< Of the cut: see cut_of.
};

std::string name_of(const Hop& hop) {
  return c10::str(hop.size.shard, "x", hop.size.replicate, ", cut ", hop.seed);
}

// Saves at every hop what was loaded there, and loads it at the next one.
void expect_same_along(const std::vector<Hop>& hops) {
  const test::ScratchDir scratch(memory_folder());
  const auto root = scratch.path() / "root";
  for (std::size_t i = 0; i < hops.size(); ++i) {
    SCOPED_TRACE(name_of(hops[i]));
    test::run_mesh_ranks(hops[i].size, [&](const Mesh& mesh) {
      const StateTree right = state_on(mesh, hops[i].seed);
      StateTree state = state_on(mesh, hops[i].seed);
      if (i > 0) {
        spoil(state);
        const LoadReport report = load(root, state, mesh);
        EXPECT_EQ(report.step, static_cast<int64_t>(i));
        const bool is_per_rank_lost = !report.per_rank_skipped.empty();
        if (is_per_rank_lost) state.children.at("rng") = right.child("rng");
        EXPECT_EQ(difference(right, state), "");
      }
      save(root, static_cast<int64_t>(i) + 1, state, mesh, kOptions);
    });
  }
}

TEST(ReshardTest, RanksComeAndGo) {
  expect_same_along({{{4}, 0}, {{2}, 0}, {{3}, 0}, {{8}, 0}, {{1}, 0}, {{3}, 0}});
}

TEST(ReshardTest, CopiesComeAndGo) {
  expect_same_along({{{2, 2}, 0}, {{4, 1}, 0}, {{1, 4}, 0}, {{3, 2}, 0}, {{1}, 0}});
}

TEST(ReshardTest, CutsOfEveryKind) {
  expect_same_along(
      {{{3}, 0}, {{3}, 1}, {{4}, 2}, {{4}, -1}, {{2}, -2}, {{2, 2}, 3}, {{5}, -4}});
}

TEST(ReshardTest, EveryWorldSizeToEveryOther) {
  const std::vector<int> sizes{1, 2, 3, 4, 8};
  for (const int from : sizes) {
    for (const int to : sizes) expect_same_along({{{from}, from}, {{to}, to + 7}});
  }
}

TEST(ReshardTest, PerRankTensorsComeBackOnTheSameRanks) {
  const test::ScratchDir scratch(memory_folder());
  test::run_mesh_ranks(MeshSize{.shard = 3}, [&](const Mesh& mesh) {
    const StateTree right = state_on(mesh, 0);
    save(scratch.path(), 1, right, mesh, kOptions);
    StateTree state = state_on(mesh, 0);
    spoil(state);
    const LoadReport report = load(scratch.path(), state, mesh, {});
    EXPECT_TRUE(report.per_rank_skipped.empty());
    EXPECT_EQ(difference(right, state), "");
  });
}

}  // namespace
}  // namespace shardopt::checkpoint
