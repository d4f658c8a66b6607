/// Runs a test body once per rank, each rank a thread of this process with a mesh.
#pragma once

#include <exception>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "shardopt/distributed/mesh.h"
#include "shardopt/distributed/thread_mesh.h"

namespace shardopt::test {

/// `shard` ranks hold a copy of the model; there are `replicate` copies.
struct MeshSize {
  int shard = 1;
  int replicate = 1;
};

/// Calls `body(mesh)` on a thread per rank. An exception fails the test, and the other
/// ranks at once, since it takes its communicators along.
inline void run_mesh_ranks(const MeshSize& size,
                           const std::function<void(const distributed::Mesh&)>& body) {
  const auto run = [&body](distributed::MeshGroups groups) {
    const distributed::Mesh mesh(std::move(groups));
    try {
      body(mesh);
    } catch (const std::exception& error) {
      ADD_FAILURE() << "rank " << mesh.rank() << " threw: " << error.what();
    }
  };
  std::vector<std::thread> ranks;
  auto meshes = distributed::make_thread_meshes(size.shard, size.replicate);
  for (auto& groups : meshes) {
    ranks.emplace_back(run, std::move(groups));
  }
  for (std::thread& rank : ranks) rank.join();
}

/// One copy of the model over `size` ranks.
inline void run_mesh_ranks(int size,
                           const std::function<void(const distributed::Mesh&)>& body) {
  run_mesh_ranks(MeshSize{.shard = size}, body);
}

}  // namespace shardopt::test
