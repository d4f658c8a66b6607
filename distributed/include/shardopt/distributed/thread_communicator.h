/// Ranks as threads of one process.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "shardopt/distributed/communicator.h"

namespace shardopt::distributed {

/// Communicators of one group of `size` ranks, entry r for the thread that is rank r.
/// A wait throws CommError once `timeout` has passed, or at once when a peer's
/// communicator was destroyed with the call still open.
[[nodiscard]] std::vector<std::unique_ptr<Communicator>> make_thread_communicators(
    int size, std::chrono::milliseconds timeout = std::chrono::seconds(30));

}  // namespace shardopt::distributed
