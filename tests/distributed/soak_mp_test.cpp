// Two thousand steps: neither memory nor descriptors grow. A process for each case, so
// that what other tests leave behind does not hide it.
#include <gtest/gtest.h>

#include "distributed/c10d_test.h"
#include "distributed/soak.h"
#include "support/thread_meshes.h"

namespace shardopt::distributed {
namespace {

constexpr int kSteps = 2000;
constexpr int kSettling = 200;
constexpr std::chrono::seconds kTimeout{110};

TEST(SoakMpTest, NothingGrowsOnTwoThreads) {
  test::run_mesh_ranks(
      2, [](const Mesh& mesh) { test::expect_nothing_grows(mesh, kSteps, kSettling); });
}

TEST(SoakMpTest, NothingGrowsOverGloo) {
  const auto body = [](const test::RankEnvironment& env) {
    const auto store = store_of(env);
    const C10dOptions options{.rank = env.rank, .size = env.size};
    const Mesh mesh(make_c10d_communicator(store, "shard", options),
                    make_c10d_communicator(store, "reduce", options));
    test::expect_nothing_grows(mesh, kSteps, kSettling);
  };
  test::run_ranks(2, body, kTimeout);
}

}  // namespace
}  // namespace shardopt::distributed
