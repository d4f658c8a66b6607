#include "shardopt/distributed/mesh.h"

#include <utility>

#include <c10/util/Exception.h>

namespace shardopt::distributed {

Mesh::Mesh(MeshGroups groups) : groups_(std::move(groups)) {
  TORCH_CHECK(groups_.shard != nullptr && groups_.reduce != nullptr,
              "a mesh needs communicators for gathers and for reductions");
  if (!groups_.replicate) groups_.replicate = make_single_communicator();
  const int shards = shard().size();
  TORCH_CHECK(reduce().rank() == shard().rank() && reduce().size() == shards,
              "a mesh with rank ", shard().rank(), " of ", shards,
              " to gather got rank ", reduce().rank(), " of ", reduce().size(),
              " to reduce");
  const int copies = replicate().size();
  TORCH_CHECK(size() == shards * copies, "a mesh of ", copies, " copies over ", shards,
              " ranks each got a world of ", size(), " rank(s)");
  TORCH_CHECK(rank() == replicate().rank() * shards + shard().rank(), "rank ", rank(),
              " of the world cannot be rank ", shard().rank(), " of ", shards,
              " in copy ", replicate().rank());
}

Mesh make_single_mesh() {
  return {make_single_communicator(), make_single_communicator()};
}

}  // namespace shardopt::distributed
