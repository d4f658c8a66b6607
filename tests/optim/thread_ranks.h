/// Ranks as threads of a test.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "shardopt/distributed/mesh.h"
#include "shardopt/distributed/thread_communicator.h"

namespace shardopt::test {

/// Runs `body` on `size` ranks; an exception of one fails the test.
inline void run_threads(int size, const std::function<void(distributed::Mesh&)>& body) {
  auto shard = distributed::make_thread_communicators(size);
  auto reduce = distributed::make_thread_communicators(size);
  std::vector<std::string> failures(size);
  const auto run = [&](int rank) {
    try {
      distributed::Mesh mesh(std::move(shard[rank]), std::move(reduce[rank]));
      body(mesh);
    } catch (const std::exception& error) {
      failures[rank] = error.what();
    }
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) threads.emplace_back(run, rank);
  for (std::thread& thread : threads) thread.join();
  for (int rank = 0; rank < size; ++rank) {
    EXPECT_EQ(failures[rank], "") << "rank " << rank;
  }
}

}  // namespace shardopt::test
