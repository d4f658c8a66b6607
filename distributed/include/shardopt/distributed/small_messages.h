/// What ranks tell each other beside tensors: a text, a number. Every function is
/// collective and waits for its answer.
#pragma once

#include <cstdint>
#include <string>

namespace shardopt::distributed {

class Communicator;

/// The text of rank `root`.
[[nodiscard]] std::string broadcast_text(Communicator& world, const std::string& text,
                                         int root = 0);

/// The least `value` of all ranks.
[[nodiscard]] int64_t min_over_ranks(Communicator& world, int64_t value);

}  // namespace shardopt::distributed
