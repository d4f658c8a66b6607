/// Collectives that are compared over ranks before they run.
#pragma once

#include <memory>
#include <string>

#include "shardopt/distributed/communicator.h"

namespace shardopt::distributed {

/// The same group as `inner`, where each call first compares its kind, dtype, shape,
/// cut and root with those of all ranks, by one small gather over `inner` that it waits
/// for. If they differ, every rank's call throws CommError with what the ranks called,
/// and nothing else is sent. A rank that makes no call at all ends the others' at the
/// timeout, as without this.
///
/// `group` is its name in messages; may be empty. Its own ledger counts the calls made
/// through it; that of `inner` the comparisons too.
[[nodiscard]] std::unique_ptr<Communicator> make_checked_communicator(
    std::unique_ptr<Communicator> inner, const std::string& group = "");

}  // namespace shardopt::distributed
