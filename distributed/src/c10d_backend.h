/// Backends of c10d, made by device.
#pragma once

#include <string>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "shardopt/distributed/c10d_communicator.h"

namespace shardopt::distributed {

/// Gloo for a CPU, NCCL for a GPU, once all ranks have come to `name` in `store`.
/// Throws CommError, naming the ranks that have not within the timeout or why a peer
/// cannot, and
/// ConfigError for a device that this build or machine does not have.
[[nodiscard]] c10::intrusive_ptr<::c10d::Backend> make_backend(
    const c10::intrusive_ptr<::c10d::Store>& store, const std::string& name,
    const C10dOptions& options, const GroupContext& context);

}  // namespace shardopt::distributed
