/// Runs a test body once per rank, each rank a thread of this process with a mesh.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "shardopt/distributed/mesh.h"
#include "shardopt/distributed/thread_communicator.h"

namespace shardopt::test {

/// `shard` ranks hold a copy of the model; there are `replicate` copies.
struct MeshSize {
  int shard = 1;
  int replicate = 1;
};

/// The groups of each rank of the world.
inline std::vector<distributed::MeshGroups> make_thread_mesh(const MeshSize& size) {
  using distributed::make_thread_communicators;
  std::vector<distributed::MeshGroups> ranks(size.shard * size.replicate);
  for (int copy = 0; copy < size.replicate; ++copy) {
    auto shard = make_thread_communicators(size.shard);
    auto reduce = make_thread_communicators(size.shard);
    for (int i = 0; i < size.shard; ++i) {
      ranks[copy * size.shard + i].shard = std::move(shard[i]);
      ranks[copy * size.shard + i].reduce = std::move(reduce[i]);
    }
  }
  if (size.replicate == 1) return ranks;
  for (int i = 0; i < size.shard; ++i) {
    auto replicate = make_thread_communicators(size.replicate);
    for (int copy = 0; copy < size.replicate; ++copy) {
      ranks[copy * size.shard + i].replicate = std::move(replicate[copy]);
    }
  }
  auto world = make_thread_communicators(static_cast<int>(ranks.size()));
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    ranks[rank].world = std::move(world[rank]);
  }
  return ranks;
}

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
  for (auto& groups : make_thread_mesh(size)) {
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
