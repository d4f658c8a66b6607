#include "shardopt/distributed/small_messages.h"

#include <cstring>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <c10/core/TensorOptions.h>

#include "shardopt/distributed/communicator.h"

namespace shardopt::distributed {

std::string broadcast_text(Communicator& world, const std::string& text, int root) {
  at::Tensor length = at::full({1}, static_cast<int64_t>(text.size()), at::kLong);
  world.broadcast(length, root)->wait();
  const int64_t size = *length.const_data_ptr<int64_t>();
  if (size == 0) return {};
  at::Tensor bytes = at::empty({size}, at::kByte);
  if (world.rank() == root) {
    std::memcpy(bytes.mutable_data_ptr(), text.data(), text.size());
  }
  world.broadcast(bytes, root)->wait();
  return {static_cast<const char*>(bytes.const_data_ptr()),
          static_cast<std::size_t>(size)};
}

int64_t min_over_ranks(Communicator& world, int64_t value) {
  at::Tensor tensor = at::full({1}, value, at::kLong);
  world.all_reduce(tensor, ReduceOp::kMin)->wait();
  return *tensor.const_data_ptr<int64_t>();
}

}  // namespace shardopt::distributed
