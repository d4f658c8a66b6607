/// From what the launcher said to the ranks of the job.
#pragma once

#include <chrono>

#include <c10/core/Device.h>

#include "shardopt/distributed/launch.h"
#include "shardopt/distributed/mesh.h"

namespace shardopt::distributed {

/// Joins the other ranks of `launch`, for tensors on `device`. With one rank nothing is
/// opened. `timeout` bounds this and every later wait.
///
/// Throws as make_store and make_c10d_communicator do. Collective.
[[nodiscard]] Mesh make_mesh(const Launch& launch, c10::Device device,
                             std::chrono::milliseconds timeout);

}  // namespace shardopt::distributed
