/// A mesh whose ranks are threads of one process.
#pragma once

#include <chrono>
#include <vector>

#include "shardopt/distributed/mesh.h"

namespace shardopt::distributed {

/// The groups of a mesh of `replicate` copies over `shard` ranks each; entry r for the
/// thread that is rank r of the world. Waits as those of make_thread_communicators.
[[nodiscard]] std::vector<MeshGroups> make_thread_meshes(
    int shard, int replicate,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));

}  // namespace shardopt::distributed
