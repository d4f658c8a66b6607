/// Ranks that begin, fail and stop together.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace shardopt::distributed {
class Communicator;
}

namespace shardopt::train {

/// Calls `local`, which may fail on some ranks only and does not communicate. If it
/// threw on any rank, throws on every rank: what was thrown here, else ConfigError
/// saying that another rank could not go on. Collective.
void run_agreed(distributed::Communicator& communicator,
                const std::function<void()>& local);

/// Throws ConfigError on every rank, naming the first line that differs on this one,
/// unless `text` is that of rank 0 everywhere. `subject` names it. Collective.
void check_same_text(distributed::Communicator& communicator,
                     const std::string& subject, const std::string& text);

}  // namespace shardopt::train
