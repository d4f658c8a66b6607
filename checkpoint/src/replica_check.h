/// Whether ranks that hold the same rows have the same bytes, before one of them is
/// believed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardopt/checkpoint/rank_group.h"

namespace shardopt {
struct StateTree;
}

namespace shardopt::checkpoint {

/// Compares replicated tensors over all ranks, and rows over copies: those of tensors
/// of up to `max_bytes` in all (0: every one). Throws CheckpointFailure (kMismatch) on
/// every rank, naming a tensor and the ranks that differ from the first that holds it.
/// Returns the names of first-rank tensors that differ: no error. No communication
/// where nothing is held twice. Collective.
[[nodiscard]] std::vector<std::string> check_replicas(const RankGroup& ranks,
                                                      const StateTree& state,
                                                      int64_t max_bytes);

}  // namespace shardopt::checkpoint
