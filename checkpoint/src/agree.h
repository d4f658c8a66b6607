/// Ranks that fail together, with the same words.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace shardopt::distributed {
class Communicator;
}

namespace shardopt::checkpoint {

/// Calls `local`, which may fail on some ranks and does not communicate. If it threw on
/// any, throws CheckpointFailure on every rank: fault and message of the lowest rank
/// that failed, whose number stands before the message if there are several ranks.
/// Collective.
void agree(distributed::Communicator& world, const std::function<void()>& local);

/// The same for work that may take long: it runs on a thread of its own, while this one
/// asks the peers every few milliseconds whether all have ended. So a slow disk is
/// waited for, and a peer that is gone is not. `local` must not communicate.
/// Collective.
void agree_slowly(distributed::Communicator& world, const std::function<void()>& local);

/// The lowest rank for which `is_set`, or the number of ranks. Collective.
[[nodiscard]] int lowest_rank(distributed::Communicator& world, bool is_set);

/// On rank 0 every rank's text, in order; nothing elsewhere. Bytes moved are those of
/// the texts. Collective.
[[nodiscard]] std::vector<std::string> gather_texts(distributed::Communicator& world,
                                                    const std::string& text);

/// The error under way in a catch block, as text: fault and message; CommError goes on.
struct Failure {
  int fault = -1;  ///< Of Fault; -1: none.
  std::string message{};
};
[[nodiscard]] Failure current_failure();

/// Throws on every rank if any rank's `own` is one, as `agree` does. Collective.
void throw_together(distributed::Communicator& world, const Failure& own);

}  // namespace shardopt::checkpoint
