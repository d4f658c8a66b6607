/// Waiting for other ranks, with an end.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "shardopt/distributed/group_context.h"
#include "shardopt/distributed/peer_watch.h"

namespace shardopt::distributed {

/// Tells whether what is waited for is there, after `limit` (at least 1 ms) at the
/// latest.
using Poll = std::function<bool(std::chrono::milliseconds limit)>;

/// Polls until it is there, in a wait that began at `start`. Throws CommError with the
/// verdict when a peer is known to have failed, and c10::Error when the context's limit
/// has passed. `call` says what for. Without a limit it waits for as long as `poll`
/// does not throw.
void wait_patiently(
    const GroupContext& context, const PeerCall& call, const Poll& poll,
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now());

/// `cause`, and which ranks `call` is missing where that can be found out within a
/// second: what a message needs.
[[nodiscard]] std::string with_missing_ranks(const GroupContext& context,
                                             const PeerCall& call, std::string cause);

}  // namespace shardopt::distributed
