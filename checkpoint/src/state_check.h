/// Whether a manifest's state and its tensors belong together. For manifest_check
/// alone.
#pragma once

#include "shardopt/checkpoint/manifest.h"

namespace shardopt::checkpoint {

/// Every slot of the state has its tensor, every tensor is of one slot, and aliases are
/// names that nobody has. Tensors are sorted, their names legal. Throws
/// CheckpointFailure (kCorrupt).
void check_state(const Manifest& manifest);

}  // namespace shardopt::checkpoint
