// A training loop of one's own that saves every few steps, and goes on where it was, on
// any number of ranks and under any launcher.
// Usage: checkpoint_loop ROOT STEPS [resume]
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>

#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/checkpoint/load.h"
#include "shardopt/distributed/launch_mesh.h"
#include "shardopt/distributed/model_state.h"
#include "shardopt/distributed/sharded_module.h"
#include "shardopt/optim/build_optimizer.h"

namespace {

namespace nn = torch::nn;
namespace sd = shardopt::distributed;

constexpr int64_t kSaveEvery = 3;

// Its tensors alias those that train: saving reads them, loading fills them.
shardopt::StateTree state_of(const sd::ShardedModel& model,
                             const shardopt::optim::Optimizer& optimizer) {
  shardopt::StateTree state{.kind = "checkpoint_loop"};
  state.children.emplace("model", sd::model_state(model));
  state.children.emplace("optimizer", optimizer.state());
  return state;
}

void train(const sd::Mesh& mesh, const std::string& root, int64_t steps, bool resumes) {
  torch::manual_seed(1);  // every rank begins with the same weights and data
  sd::ShardedModel model(mesh);
  sd::ShardedModule<nn::SequentialImpl> mlp(
      model, "mlp",
      std::make_shared<nn::SequentialImpl>(nn::Linear(8, 17), nn::Tanh(),
                                           nn::Linear(17, 4)));
  const auto optimizer = shardopt::optim::build_optimizer(
      model.parameters(), {.name = "adamw", .lr = 0.05}, mesh);
  shardopt::checkpoint::Checkpointer checkpointer(root, mesh);
  int64_t step = 0;
  if (resumes) {
    shardopt::StateTree state = state_of(model, *optimizer);
    step = shardopt::checkpoint::load(root, state, mesh).step;
    optimizer->load_state(state.child("optimizer"));  // its counters
  }
  checkpointer.begin_branch(step, /*discard_later=*/false);
  const at::Tensor x = at::randn({32, 8});
  const at::Tensor y = at::randn({32, 4});
  while (step < steps) {
    optimizer->zero_grad();
    const at::Tensor loss = (mlp.forward(x) - y).square().mean();
    loss.backward();
    optimizer->step();
    ++step;
    if (mesh.rank() == 0) std::printf("%ld %.6f\n", step, loss.item<double>());
    if (step % kSaveEvery == 0) checkpointer.save(step, state_of(model, *optimizer));
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 3) return 2;
    const auto launch = sd::read_launch({}, sd::process_environment());
    const sd::Meeting meeting = sd::meet(launch, std::chrono::seconds(30));
    train(sd::make_mesh(meeting, {}), argv[1], std::stoll(argv[2]), argc > 3);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "checkpoint_loop: %s\n", error.what());
    return 1;
  }
}
