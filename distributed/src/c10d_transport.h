/// LibTorch's c10d as a transport.
#pragma once

#include <memory>

#include <c10/core/Device.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "transport.h"

namespace shardopt::distributed {

/// Shares `backend`, whose tensors are on `device`: stream-ordered if that is CUDA.
[[nodiscard]] std::unique_ptr<Transport> make_c10d_transport(
    c10::intrusive_ptr<::c10d::Backend> backend, c10::Device device);

}  // namespace shardopt::distributed
