/// Stores and backends of c10d for the ranks of a test.
#pragma once

#include <chrono>
#include <string>

#include <torch/csrc/distributed/c10d/FileStore.hpp>

#include "shardopt/distributed/c10d_communicator.h"
#include "support/rank_launcher.h"

namespace shardopt::distributed {

/// Where the ranks of one run_ranks meet.
inline c10::intrusive_ptr<::c10d::Store> store_of(const test::RankEnvironment& env) {
  return c10::make_intrusive<::c10d::FileStore>(env.scratch_dir + "/store", env.size);
}

/// Gloo over that store.
inline std::unique_ptr<Communicator> join_gloo(
    const test::RankEnvironment& env,
    std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  return make_c10d_communicator(
      store_of(env), "test", {.rank = env.rank, .size = env.size, .timeout = timeout});
}

}  // namespace shardopt::distributed
