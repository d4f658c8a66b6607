#include "shardopt/distributed/divergence.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/mesh.h"
#include "support/thread_meshes.h"

namespace shardopt::distributed {
namespace {

using Names = std::vector<std::string>;

// The same on every rank but for what should differ: rows by shard rank, noise by rank.
StateTree state_of(const Mesh& mesh) {
  StateTree child{.kind = "adamw"};
  child.values["lr"] = 0.5;
  child.tensors["table"] = {at::arange(3)};
  const at::Tensor rows = at::full({2, 2}, mesh.shard().rank() + 1.0);
  child.tensors["rows"] = {rows, Spread::kCut};
  child.tensors["noise"] = {at::full({2}, 1.0 * mesh.rank()), Spread::kPerRank};
  StateTree tree{.kind = "root"};
  tree.values["config"] = std::string("text");
  tree.children["optimizer"] = std::move(child);
  return tree;
}

TEST(DivergenceTest, AgreeingRanksHaveNoneAtAnyMesh) {
  for (const auto& [replicate, shard] : {std::pair(1, 3), {2, 2}, {3, 1}, {1, 1}}) {
    test::run_mesh_ranks({.shard = shard, .replicate = replicate},
                         [](const Mesh& mesh) {
                           EXPECT_EQ(diverged_entries(mesh, state_of(mesh)), Names{});
                         });
  }
}

TEST(DivergenceTest, ValueThatOneRankHasOtherwiseIsNamedOnAllRanks) {
  test::run_mesh_ranks({.shard = 2, .replicate = 2}, [](const Mesh& mesh) {
    StateTree tree = state_of(mesh);
    if (mesh.rank() == 3) tree.children["optimizer"].values["lr"] = 0.25;
    EXPECT_EQ(diverged_entries(mesh, tree), Names{"optimizer/lr"});
  });
}

TEST(DivergenceTest, LastBitOfAReplicatedTensorCounts) {
  test::run_mesh_ranks(3, [](const Mesh& mesh) {
    StateTree tree = state_of(mesh);
    if (mesh.rank() == 1) tree.children["optimizer"].tensors["table"].tensor[2] = 3;
    EXPECT_EQ(diverged_entries(mesh, tree), Names{"optimizer/table"});
  });
}

TEST(DivergenceTest, RowsThatReplicasHaveOtherwiseAreNamedWhereTheyAre) {
  test::run_mesh_ranks({.shard = 2, .replicate = 2}, [](const Mesh& mesh) {
    StateTree tree = state_of(mesh);
    if (mesh.rank() == 3) tree.children["optimizer"].tensors["rows"].tensor[1][1] = 9;
    const Names expected{mesh.shard().rank() == 1 ? "optimizer/rows"
                                                  : "(rows of another rank)"};
    EXPECT_EQ(diverged_entries(mesh, tree), expected);
  });
}

TEST(DivergenceTest, OtherEntriesThanAPeersAreFound) {
  test::run_mesh_ranks(2, [](const Mesh& mesh) {
    StateTree tree = state_of(mesh);
    if (mesh.rank() == 1) tree.values["more"] = true;
    EXPECT_EQ(diverged_entries(mesh, tree), Names{"(entries)"});
  });
}

}  // namespace
}  // namespace shardopt::distributed
