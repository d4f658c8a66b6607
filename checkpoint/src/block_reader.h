/// Brings rows from a step's files to where they belong, every block verified.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "match_state.h"
#include "step_files.h"

namespace shardopt::checkpoint {

/// Fills `targets` from `files`, by `threads` threads. Whole blocks go straight into
/// plain memory; others, and casts, through one block of memory per thread. A
/// destination that is not contiguous is filled through a copy of its own size.
///
/// Returns the bytes that were wanted. Throws CheckpointFailure at the first block that
/// is wrong; what was filled by then is undefined.
int64_t read_targets(StepFiles& files, const Manifest& manifest,
                     const std::vector<Target>& targets, int threads);

/// Calls `call` for each index below `count`, by `threads` threads; `thread` is which
/// of them. If a call throws, the rest is left out and the first error thrown.
void run_parallel(int64_t count, int threads,
                  const std::function<void(int64_t index, int thread)>& call);

}  // namespace shardopt::checkpoint
