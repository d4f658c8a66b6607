// Many steps on ranks that are threads, fewer of them under a sanitizer.
#include <gtest/gtest.h>

#include "distributed/soak.h"
#include "support/thread_meshes.h"

namespace shardopt::distributed {
namespace {

constexpr int kSteps = test::kIsSanitized ? 1000 : 2000;
constexpr int kSettling = kSteps / 10;

TEST(SoakTest, NothingGrowsOnFourThreads) {
  test::run_mesh_ranks(
      4, [](const Mesh& mesh) { test::expect_nothing_grows(mesh, kSteps, kSettling); });
}

TEST(SoakTest, NothingGrowsOnTwoCopiesOverTwoThreads) {
  test::run_mesh_ranks({.shard = 2, .replicate = 2}, [](const Mesh& mesh) {
    test::expect_nothing_grows(mesh, kSteps, kSettling);
  });
}

}  // namespace
}  // namespace shardopt::distributed
