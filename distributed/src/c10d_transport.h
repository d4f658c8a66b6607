/// LibTorch's c10d as a transport.
#pragma once

#include <memory>

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "transport.h"

namespace shardopt::distributed {

/// Shares `backend`. Its waits are stream-ordered if its name is "nccl".
[[nodiscard]] std::unique_ptr<Transport> make_c10d_transport(
    c10::intrusive_ptr<::c10d::Backend> backend);

}  // namespace shardopt::distributed
