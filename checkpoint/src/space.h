/// Room on the disk, before anything is written.
#pragma once

#include <cstdint>

#include "files.h"

namespace shardopt::checkpoint {

/// Throws CheckpointFailure (kStorage), with the bytes needed and those free, unless
/// the disk of `root` has room for `bytes` more, a fiftieth and 64 MiB beyond.
void check_space(const Handle& root, int64_t bytes);

}  // namespace shardopt::checkpoint
