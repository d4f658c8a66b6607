/// c10d's classes change between releases, so headers and library must be one.
#pragma once

#include <cstdint>

namespace shardopt::distributed {

/// Throws ConfigError, naming both, unless the two versions (one byte each from the
/// top: major, minor, patch) agree.
void check_same_libtorch(uint64_t built_with, uint64_t loaded);

/// The same for the headers of this build and the library that is loaded.
void check_libtorch_version();

}  // namespace shardopt::distributed
