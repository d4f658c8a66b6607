#include "shardopt/distributed/mesh.h"

#include <gtest/gtest.h>

#include "shardopt/core/error.h"
#include "shardopt/distributed/thread_communicator.h"

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
