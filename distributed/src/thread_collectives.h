/// The collectives of a thread communicator, each done for all ranks at once by one.
#pragma once

#include <vector>

#include "shardopt/core/shard.h"
#include "shardopt/distributed/communicator.h"
#include "thread_group.h"

namespace shardopt::distributed {

/// Sums are taken in rank order; bf16 and fp16 in fp32, rounded once.
[[nodiscard]] Execution reduce_for_all(ReduceOp op);

[[nodiscard]] Execution gather_for_all(const Shard& cut);

[[nodiscard]] Execution reduce_pieces_for_all(const Shard& cut);

/// Throws c10::Error if a rank sends another number of rows than its peer expects.
[[nodiscard]] Execution exchange_for_all();

[[nodiscard]] Execution broadcast_for_all(int root);

}  // namespace shardopt::distributed
