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

/// Calls `body(mesh)` on `size` threads. An exception fails the test, and the other
/// ranks at once, since it takes its communicators along.
inline void run_mesh_ranks(int size,
                           const std::function<void(const distributed::Mesh&)>& body) {
  using distributed::Communicator;
  const auto run = [&body](std::unique_ptr<Communicator> shard,
                           std::unique_ptr<Communicator> reduce) {
    const distributed::Mesh mesh(std::move(shard), std::move(reduce));
    try {
      body(mesh);
    } catch (const std::exception& error) {
      ADD_FAILURE() << "rank " << mesh.rank() << " threw: " << error.what();
    }
  };
  auto shard = distributed::make_thread_communicators(size);
  auto reduce = distributed::make_thread_communicators(size);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.emplace_back(run, std::move(shard[rank]), std::move(reduce[rank]));
  }
  for (std::thread& rank : ranks) rank.join();
}

}  // namespace shardopt::test
