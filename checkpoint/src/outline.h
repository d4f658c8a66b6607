/// What all ranks must agree about before they save a state together.
#pragma once

#include <string>

#include "flat_state.h"

namespace shardopt::distributed {
class Communicator;
}

namespace shardopt::checkpoint {

/// A line for each value and each tensor of `flat`: names, types, numbers to the bit,
/// dtypes, whole shapes and cuts; not the tensors' contents, nor the shapes of per-rank
/// tensors.
[[nodiscard]] std::string outline(const FlatState& flat);

/// Throws CheckpointFailure (kMismatch) on every rank, with the first line that differs
/// from rank 0's and its rank, unless `text` is the same everywhere. Two numbers travel
/// where it is. Collective.
void check_same_outline(distributed::Communicator& world, const std::string& text);

}  // namespace shardopt::checkpoint
