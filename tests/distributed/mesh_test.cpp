#include "shardopt/distributed/mesh.h"

#include <gtest/gtest.h>

#include "shardopt/core/error.h"
#include "shardopt/distributed/thread_communicator.h"
#include "support/thread_meshes.h"

namespace shardopt::distributed {
namespace {

TEST(MeshTest, HasRankAndSizeOfItsCommunicators) {
  auto shard = make_thread_communicators(3);
  auto reduce = make_thread_communicators(3);
  Communicator* const shard_of_two = shard[2].get();
  Communicator* const reduce_of_two = reduce[2].get();

  const Mesh mesh(std::move(shard[2]), std::move(reduce[2]));

  EXPECT_EQ(mesh.rank(), 2);
  EXPECT_EQ(mesh.size(), 3);
  EXPECT_EQ(&mesh.shard(), shard_of_two);
  EXPECT_EQ(&mesh.reduce(), reduce_of_two);
}

TEST(MeshTest, SingleMeshHasOneRank) {
  const Mesh mesh = make_single_mesh();
  EXPECT_EQ(mesh.rank(), 0);
  EXPECT_EQ(mesh.size(), 1);
}

// Ranks 0 to 2 are one copy, 3 to 5 the other.
TEST(MeshTest, RankOfTheWorldIsCopyTimesShardsPlusShard) {
  int rank = 0;
  for (auto& groups : make_thread_meshes(3, 2)) {
    const Mesh mesh(std::move(groups));
    EXPECT_EQ(mesh.rank(), rank);
    EXPECT_EQ(mesh.size(), 6);
    EXPECT_EQ(mesh.shard().rank(), rank % 3);
    EXPECT_EQ(mesh.reduce().rank(), rank % 3);
    EXPECT_EQ(mesh.replicate().rank(), rank / 3);
    ++rank;
  }
}

TEST(MeshTest, WorldIsTheShardGroupWhereThereIsOneCopy) {
  const Mesh mesh = make_single_mesh();
  EXPECT_EQ(&mesh.world(), &mesh.shard());
  EXPECT_EQ(mesh.replicate().size(), 1);
}

TEST(MeshTest, RejectsWorldThatIsNotReplicateTimesShard) {
  auto ranks = make_thread_meshes(2, 2);
  auto others = make_thread_meshes(2, 2);
  ranks[1].world = std::move(others[2].world);  // another rank
  EXPECT_THROW(Mesh(std::move(ranks[1])), c10::Error);
  ranks[2].world.reset();  // that of one copy
  EXPECT_THROW(Mesh(std::move(ranks[2])), c10::Error);
  ranks[3].replicate.reset();  // one copy
  EXPECT_THROW(Mesh(std::move(ranks[3])), c10::Error);
}

TEST(MeshTest, RejectsCommunicatorsOfOtherRankOrSize) {
  auto three = make_thread_communicators(3);
  auto two = make_thread_communicators(2);
  auto others = make_thread_communicators(3);
  EXPECT_THROW(Mesh(std::move(three[1]), std::move(two[1])), c10::Error);
  EXPECT_THROW(Mesh(std::move(three[0]), std::move(others[1])), c10::Error);
  EXPECT_THROW(Mesh(std::move(three[2]), nullptr), c10::Error);
}

}  // namespace
}  // namespace shardopt::distributed
