/// Runs a test body once per rank, each rank a thread of this process.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "shardopt/distributed/thread_communicator.h"

namespace shardopt::test {

/// Calls `body(communicator)` on `size` threads. An exception fails the test, and the
/// other ranks at once, since it takes its communicator along.
template <typename Body>
void run_thread_ranks(int size, const Body& body,
                      std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  const auto run = [&body](std::unique_ptr<distributed::Communicator> communicator) {
    try {
      body(*communicator);
    } catch (const std::exception& error) {
      ADD_FAILURE() << "rank " << communicator->rank() << " threw: " << error.what();
    }
  };
  std::vector<std::thread> ranks;
  for (auto& communicator : distributed::make_thread_communicators(size, timeout)) {
    ranks.emplace_back(run, std::move(communicator));
  }
  for (std::thread& rank : ranks) rank.join();
}

}  // namespace shardopt::test
