#include <gtest/gtest.h>

#include "shardopt/core/error.h"
#include "shardopt/distributed/launch_mesh.h"

namespace shardopt::distributed {
namespace {

// "2 x 3": replicate x shard, or what is wrong.
std::string completed(int shard, int replicate, int size) {
  try {
    const MeshShape shape = complete({.shard = shard, .replicate = replicate}, size);
    return c10::str(shape.replicate, " x ", shape.shard);
  } catch (const ConfigError& error) {
    return error.what_without_backtrace();
  }
}

std::string resolved(BackendKind backend, c10::Device device) {
  try {
    return name(resolve(backend, device));
  } catch (const ConfigError& error) {
    return error.what_without_backtrace();
  }
}

TEST(MeshShapeTest, ZeroStandsForTheRanksThatAreLeft) {
  EXPECT_EQ(completed(0, 1, 6), "1 x 6");
  EXPECT_EQ(completed(0, 2, 6), "2 x 3");
  EXPECT_EQ(completed(2, 0, 6), "3 x 2");
  EXPECT_EQ(completed(6, 0, 6), "1 x 6");
  EXPECT_EQ(completed(3, 2, 6), "2 x 3");
  EXPECT_EQ(completed(0, 1, 1), "1 x 1");
}

TEST(MeshShapeTest, ShapeThatDoesNotMakeTheSizeIsNamedError) {
  const auto expect_refused = [](int shard, int replicate, int size) {
    EXPECT_EQ(
        completed(shard, replicate, size),
        c10::str("mesh.shard is ", shard, " and mesh.replicate is ", replicate,
                 "; allowed: a product of ", size,
                 ", the number of ranks, where one of them may be 0 for the rest"));
  };
  expect_refused(2, 2, 6);
  expect_refused(0, 4, 6);  // 6 is no multiple of 4
  expect_refused(4, 0, 6);
  expect_refused(0, 7, 6);  // more copies than ranks
  expect_refused(7, 0, 6);
  expect_refused(0, 0, 6);
  expect_refused(-2, -3, 6);
  expect_refused(-1, 0, 6);
}

TEST(MeshShapeTest, AutoIsTheBackendOfTheDevice) {
  EXPECT_EQ(resolved(BackendKind::kAuto, c10::kCPU), "gloo");
  EXPECT_EQ(resolved(BackendKind::kAuto, c10::kCUDA), "nccl");
  EXPECT_EQ(resolved(BackendKind::kMpi, c10::kCPU), "mpi");
  EXPECT_EQ(resolved(BackendKind::kNccl, c10::kCUDA), "nccl");
}

TEST(MeshShapeTest, BackendThatCannotServeTheDeviceIsNamedError) {
  EXPECT_EQ(
      resolved(BackendKind::kNccl, c10::kCPU),
      "mesh.backend is 'nccl', which cannot serve device cpu; allowed: auto, gloo, "
      "mpi");
  for (const BackendKind backend : {BackendKind::kGloo, BackendKind::kMpi}) {
    EXPECT_EQ(resolved(backend, c10::kCUDA),
              "mesh.backend is '" + name(backend) +
                  "', which cannot serve device cuda; allowed: auto, nccl");
  }
}

}  // namespace
}  // namespace shardopt::distributed
