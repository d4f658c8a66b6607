#include <ATen/core/Tensor.h>

#include "shardopt/core/shard.h"
#include "shardopt/distributed/communicator.h"

namespace shardopt::distributed {
namespace {

// The base class does all there is to do for one rank: nothing is ever started.
class SingleCommunicator final : public Communicator {
 public:
  int rank() const noexcept override { return 0; }
  int size() const noexcept override { return 1; }

 private:
  static std::unique_ptr<Work> unreachable() {
    TORCH_INTERNAL_ASSERT(false, "a group of one rank started a collective");
  }

  std::unique_ptr<Work> start_all_reduce(at::Tensor&, ReduceOp) override {
    return unreachable();
  }
  std::unique_ptr<Work> start_all_gather(at::Tensor&, const Shard&) override {
    return unreachable();
  }
  std::unique_ptr<Work> start_reduce_scatter(const at::Tensor&, at::Tensor&,
                                             const Shard&) override {
    return unreachable();
  }
  std::unique_ptr<Work> start_all_to_all(const at::Tensor&, std::span<const int64_t>,
                                         at::Tensor&,
                                         std::span<const int64_t>) override {
    return unreachable();
  }
  std::unique_ptr<Work> start_broadcast(at::Tensor&, int) override {
    return unreachable();
  }
  std::unique_ptr<Work> start_barrier() override { return unreachable(); }
};

}  // namespace

std::unique_ptr<Communicator> make_single_communicator() {
  return std::make_unique<SingleCommunicator>();
}

}  // namespace shardopt::distributed
