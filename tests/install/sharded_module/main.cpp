// A user's own module over a user's own c10d group: three Muon steps on each rank.
// Usage: sharded_module RANK SIZE FILE
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <torch/nn/modules/linear.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "shardopt/distributed/c10d_communicator.h"
#include "shardopt/distributed/sharded_module.h"
#include "shardopt/optim/build_optimizer.h"

namespace {

struct Mlp : torch::nn::Module {
  Mlp() {
    first = register_module("first", torch::nn::Linear(8, 16));
    second = register_module("second", torch::nn::Linear(16, 4));
  }
  at::Tensor forward(const at::Tensor& x) { return second(at::tanh(first(x))); }
  torch::nn::Linear first{nullptr};
  torch::nn::Linear second{nullptr};
};

std::unique_ptr<shardopt::distributed::Communicator> make_group(const char* name,
                                                                int rank, int size,
                                                                const char* file) {
  const auto store = c10::make_intrusive<c10d::PrefixStore>(
      name, c10::make_intrusive<c10d::FileStore>(file, size));
  const c10::intrusive_ptr<c10d::Backend> group =
      c10::make_intrusive<c10d::ProcessGroupGloo>(
          store, rank, size,
          c10d::ProcessGroupGloo::Options::create_default(std::chrono::seconds(20)));
  return shardopt::distributed::make_c10d_communicator(group);
}

int train(int rank, int size, const char* file) {
  torch::manual_seed(1);  // every rank begins with the same weights
  const shardopt::distributed::Mesh mesh(make_group("shard", rank, size, file),
                                         make_group("reduce", rank, size, file));
  shardopt::distributed::ShardedModel model(mesh);
  shardopt::distributed::ShardedModule<Mlp> mlp(model, "mlp", std::make_shared<Mlp>());
  const auto optimizer = shardopt::optim::build_optimizer(
      model.parameters(), {.name = "muon", .lr = 0.05}, mesh);
  const at::Tensor x = at::randn({32, 8});
  const at::Tensor y = at::randn({32, 4});
  double first = NAN;
  double last = NAN;
  for (int step = 0; step < 3; ++step) {
    optimizer->zero_grad();
    const at::Tensor loss = (mlp.forward(x) - y).square().mean();
    loss.backward();
    optimizer->step();
    last = loss.item<double>();
    if (step == 0) first = last;
  }
  std::printf("rank %d of %d: loss %.4f -> %.4f\n", rank, size, first, last);
  return last < first ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  return train(std::atoi(argv[1]), std::atoi(argv[2]), argv[3]);
}
