/// Which library moves the data.
#pragma once

#include <cstdint>

namespace shardopt::distributed {

enum class BackendKind : uint8_t {
  kAuto,  ///< NCCL for tensors on a GPU, Gloo for others.
  kGloo,
  kNccl,
  kMpi
};

}  // namespace shardopt::distributed
