// Ranks that save one step after another until somebody kills them. For tests.
//
//   kill_program ROOT STEPS [KILL_RANK KILL_CALL]
//
// Loads the newest step of ROOT if there is one and checks every element of it; then
// saves the next STEPS steps. Rank 0 says "loaded N" and, once a step is acknowledged,
// "saved N". With KILL_RANK, that rank kills itself at its KILL_CALL-th call to the
// file system.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>

#include <torch/types.h>

#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/checkpoint/load.h"
#include "shardopt/core/error.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/launch_mesh.h"
#include "shardopt/distributed/layout.h"
#include "support/fault_file_system.h"

namespace shardopt {
namespace {

using checkpoint::Fault;

constexpr std::chrono::seconds kTimeout{4};
constexpr int64_t kColumns = 1024;
constexpr int kTensors = 6;

int64_t rows_of(int index) { return 700 - 133 * index; }  // uneven cuts, at 3 ranks

// Every element is a function of step, tensor and its own place.
at::Tensor expected(int64_t step, int index, const Shard& shard) {
  const at::Tensor rows = at::arange(shard.local_begin(), shard.begin(shard.rank() + 1),
                                     at::TensorOptions(at::kDouble));
  const at::Tensor columns = at::arange(kColumns, at::TensorOptions(at::kDouble));
  const at::Tensor place = rows.view({-1, 1}) * kColumns + columns;
  return at::sin(place * 0.37 + static_cast<double>(100 * step + index)).to(at::kFloat);
}

StateTree make_state(int64_t step, const distributed::Communicator& ranks) {
  StateTree model{.kind = "model", .values = {{"step", step}}};
  for (int i = 0; i < kTensors; ++i) {
    const Shard shard(distributed::chunk_offsets(rows_of(i), ranks.size()),
                      ranks.rank());
    model.tensors.emplace("weight." + std::to_string(i),
                          StateTensor{expected(step, i, shard), Spread::kCut, shard});
  }
  StateTree state{.kind = "victim"};
  state.children.emplace("model", std::move(model));
  return state;
}

void check(const StateTree& state, int64_t step,
           const distributed::Communicator& ranks) {
  const StateTree right = make_state(step, ranks);
  const StateTree& model = state.child("model");
  bool is_right = model.value<int64_t>("step") == step;
  for (const auto& [name, tensor] : right.child("model").tensors) {
    is_right = is_right && at::equal(tensor.tensor, model.tensors.at(name).tensor);
  }
  if (is_right) return;
  SHARDOPT_THROW(CheckpointError, "WRONG: step ", step, " was loaded with other rows");
}

// The newest step, checked; 0: there is none.
int64_t load_newest(const std::string& root, const distributed::Mesh& mesh) {
  StateTree state = make_state(-1, mesh.world());
  try {
    const auto report = checkpoint::load(root, state, mesh);
    check(state, report.step, mesh.world());
    return report.step;
  } catch (const checkpoint::CheckpointFailure& error) {
    if (error.fault() != Fault::kIncomplete) throw;
    return 0;
  }
}

void say(const char* what, int64_t step, const distributed::Mesh& mesh) {
  if (mesh.rank() != 0) return;
  std::printf("%s %lld\n", what, static_cast<long long>(step));
  std::fflush(stdout);
}

// Not taken down after a failure: that would wait for peers that are gone.
struct Job {
  distributed::Meeting meeting{};
  std::optional<distributed::Mesh> mesh{};
};

void run(int argc, char** argv, Job& job) {
  const auto launch = distributed::read_launch({}, distributed::process_environment());
  job.meeting = distributed::meet(launch, kTimeout);
  job.mesh.emplace(distributed::make_mesh(job.meeting, {}));
  const distributed::Mesh& mesh = *job.mesh;
  const std::string root = argv[1];
  const int64_t steps = std::atoll(argv[2]);
  test::FaultFileSystem files;
  const bool dies = argc > 4 && std::atoi(argv[3]) == mesh.rank();
  const int64_t first = load_newest(root, mesh);
  say("loaded", first, mesh);
  if (steps == 0) return;
  if (dies) files.kill_at(std::atoll(argv[4]));
  checkpoint::Checkpointer checkpointer(
      root, mesh, {.keep = 2, .block_bytes = 1 << 16, .files = &files});
  checkpointer.begin_branch(first, false);
  for (int64_t step = first + 1; step <= first + steps; ++step) {
    checkpointer.save(step, make_state(step, mesh.world()));
    say("saved", step, mesh);
  }
}

}  // namespace
}  // namespace shardopt

int main(int argc, char** argv) {
  shardopt::Job job;
  try {
    shardopt::run(argc, argv, job);
    return 0;
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "kill_program: %s\n", error.what_without_backtrace());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kill_program: %s\n", error.what());
  }
  std::fflush(nullptr);
  std::_Exit(1);  // Peers may be gone; nothing is waited for.
}
