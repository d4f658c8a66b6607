/// Keys of one attempt of a job, in a store that attempts may share.
#pragma once

#include <chrono>
#include <string>

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "shardopt/distributed/launch.h"

namespace shardopt::distributed {

struct StoreAttempt {
  std::string prefix;  ///< Of its keys; the same on every rank, and new.
  int restarts = 0;  ///< On rank 0: attempts before this one, as far as any rank knows.
};

/// The ranks of `launch` agree on a prefix in `store`. What torchrun's agents count as
/// restarts does not do: they may count differently, and a change of membership not at
/// all. So rank 0 numbers attempts, and answers each rank that asks.
///
/// Throws c10::Error, naming the ranks that have not come, after `timeout`. Collective.
[[nodiscard]] StoreAttempt join_attempt(::c10d::Store& store, const Launch& launch,
                                        std::chrono::milliseconds timeout);

}  // namespace shardopt::distributed
