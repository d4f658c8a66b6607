#include "shardopt/distributed/thread_mesh.h"

#include <memory>
#include <utility>

#include "shardopt/distributed/thread_communicator.h"

namespace shardopt::distributed {

std::vector<MeshGroups> make_thread_meshes(int shard, int replicate,
                                           std::chrono::milliseconds timeout) {
  const int size = shard * replicate;
  std::vector<MeshGroups> ranks(size);
  // Gives a group's communicators to every `step`-th rank from `first` on.
  const auto join = [&](std::unique_ptr<Communicator> MeshGroups::*group, int first,
                        int step, int count) {
    auto members = make_thread_communicators(count, timeout);
    for (int i = 0; i < count; ++i) {
      ranks[first + i * step].*group = std::move(members[i]);
    }
  };
  for (int copy = 0; copy < replicate; ++copy) {
    join(&MeshGroups::shard, copy * shard, 1, shard);
    join(&MeshGroups::reduce, copy * shard, 1, shard);
  }
  if (replicate == 1) return ranks;
  for (int own = 0; own < shard; ++own) {
    join(&MeshGroups::replicate, own, shard, replicate);
  }
  join(&MeshGroups::world, 0, 1, size);
  return ranks;
}

}  // namespace shardopt::distributed
