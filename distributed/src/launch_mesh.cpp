#include "shardopt/distributed/launch_mesh.h"

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "shardopt/distributed/c10d_communicator.h"

namespace shardopt::distributed {

Mesh make_mesh(const Launch& launch, c10::Device device,
               std::chrono::milliseconds timeout) {
  if (launch.size == 1) return make_single_mesh();
  const auto store = make_store(launch, timeout);
  const C10dOptions options{
      .rank = launch.rank, .size = launch.size, .device = device, .timeout = timeout};
  auto shard = make_c10d_communicator(store, "shard", options);
  auto reduce = make_c10d_communicator(store, "reduce", options);
  return {std::move(shard), std::move(reduce)};
}

}  // namespace shardopt::distributed
