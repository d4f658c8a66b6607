/// Runs a test body once per rank, each rank a thread, every call compared over ranks.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "shardopt/distributed/checked_communicator.h"
#include "shardopt/distributed/thread_communicator.h"

namespace shardopt::test {

/// Calls `body(checked, inner)` on `size` threads. An exception fails the test.
inline void run_checked_ranks(
    int size, const std::function<void(distributed::Communicator& checked,
                                       const distributed::Communicator& inner)>& body) {
  const auto run = [&body](std::unique_ptr<distributed::Communicator> inner) {
    const distributed::Communicator& bare = *inner;
    const auto checked = distributed::make_checked_communicator(std::move(inner));
    try {
      body(*checked, bare);
    } catch (const std::exception& error) {
      ADD_FAILURE() << "rank " << checked->rank() << " threw: " << error.what();
    }
  };
  std::vector<std::thread> ranks;
  for (auto& communicator : distributed::make_thread_communicators(size)) {
    ranks.emplace_back(run, std::move(communicator));
  }
  for (std::thread& rank : ranks) rank.join();
}

}  // namespace shardopt::test
