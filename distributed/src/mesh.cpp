#include "shardopt/distributed/mesh.h"

#include <utility>

#include <c10/util/Exception.h>

namespace shardopt::distributed {

Mesh::Mesh(std::unique_ptr<Communicator> shard, std::unique_ptr<Communicator> reduce)
    : shard_(std::move(shard)), reduce_(std::move(reduce)) {
  TORCH_CHECK(shard_ != nullptr && reduce_ != nullptr,
              "a mesh needs two communicators");
  TORCH_CHECK(reduce_->rank() == rank() && reduce_->size() == size(), "a mesh of rank ",
              rank(), " of ", size(), " got a reduce communicator of rank ",
              reduce_->rank(), " of ", reduce_->size());
}

Mesh make_single_mesh() {
  return {make_single_communicator(), make_single_communicator()};
}

}  // namespace shardopt::distributed
