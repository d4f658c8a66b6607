// shardopt-bench: what sharding costs, in CPU time and in memory. Prints tables.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>
#include <CLI/CLI.hpp>

#include "bench/counting_allocator.h"
#include "shardopt/core/random.h"
#include "shardopt/distributed/fully_sharded_unit.h"
#include "shardopt/distributed/launch_mesh.h"
#include "shardopt/optim/build_optimizer.h"
#include "train/gpt.h"

namespace shardopt::bench {
namespace {

struct Settings {
  config::ModelOptions model{};
  int64_t batch = 16;
  int64_t pairs = 11;
  int64_t steps = 20;
};

// Training steps on fixed random bytes, with AdamW; plain LibTorch or sharded.
class Run {
 public:
  Run(const Settings& settings, const distributed::Mesh& mesh, bool is_sharded)
      : mesh_(mesh),
        sharded_(is_sharded ? std::make_unique<distributed::ShardedModel>(mesh)
                            : nullptr),
        gpt_(settings.model, 1, make_named_generator(1, "dropout"), sharded_.get()),
        samples_(at::randint(256, {settings.batch, settings.model.context + 1},
                             make_named_generator(1, "samples"),
                             at::TensorOptions().dtype(at::kLong))) {
    optimizer_ = optim::build_optimizer(parameters(), {.lr = 1e-3}, mesh_);
  }

  void step() {
    optimizer_->zero_grad();
    gpt_.loss(samples_).backward();
    optimizer_->step();
  }

  [[nodiscard]] int64_t largest_unit_bytes() const {
    int64_t largest = 0;
    int64_t block = 0;
    for (const auto& [name, leaf] : gpt_.leaves()) {
      const int64_t bytes = leaf.numel() * static_cast<int64_t>(sizeof(float));
      if (name.starts_with("blocks.0.")) block += bytes;
      largest = std::max(largest, bytes);
    }
    return std::max(largest, block);
  }

 private:
  // The same parameters either way: a plain leaf is its own only shard.
  std::vector<Parameter> parameters() const {
    if (sharded_) return sharded_->parameters();
    std::vector<Parameter> result;
    for (const auto& [name, leaf] : gpt_.leaves()) {
      result.push_back({name, leaf, Shard({0, leaf.size(0)}, 0)});
    }
    return result;
  }

  const distributed::Mesh& mesh_;
  std::unique_ptr<distributed::ShardedModel> sharded_;
  train::Gpt gpt_;
  at::Tensor samples_;
  std::unique_ptr<optim::Optimizer> optimizer_;
};

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double measure(Run& run, int64_t steps) {
  const double start = cpu_seconds();
  for (int64_t i = 0; i < steps; ++i) run.step();
  return cpu_seconds() - start;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// CPU time of one rank sharded over one rank plain, pair by pair.
void overhead(const Settings& settings) {
  const auto mesh = distributed::make_single_mesh();
  Run plain(settings, mesh, false);
  Run sharded(settings, mesh, true);
  measure(plain, 3);
  measure(sharded, 3);
  std::vector<double> ratios;
  std::printf("%8s %14s %14s %8s\n", "pair", "plain CPU s", "sharded CPU s", "ratio");
  for (int64_t pair = 0; pair < settings.pairs; ++pair) {
    const double a = measure(plain, settings.steps);
    const double b = measure(sharded, settings.steps);
    ratios.push_back(b / a);
    std::printf("%8ld %14.3f %14.3f %8.4f\n", pair + 1, a, b, b / a);
  }
  std::printf("median ratio %.4f\n", median(ratios));
}

// Bytes of tensors on this rank: held between steps, and the most within a step. The
// batch is one short sample, so that activations do not count.
void memory(Settings settings) {
  const auto launch = distributed::read_launch({}, distributed::process_environment());
  const auto meeting = distributed::meet(launch, std::chrono::minutes(1));
  const auto mesh = distributed::make_mesh(meeting, {});
  settings.batch = 1;
  settings.model.context = 8;
  CountingAllocator allocator;
  Run run(settings, mesh, true);
  const double built = static_cast<double>(allocator.held_bytes());
  const double building = static_cast<double>(allocator.peak_bytes());
  for (int i = 0; i < 4; ++i) run.step();
  const double held = static_cast<double>(allocator.held_bytes());
  allocator.reset_peak();
  run.step();
  const double peak = static_cast<double>(allocator.peak_bytes());
  if (launch.rank != 0) return;

  const double mib = 1024.0 * 1024.0;
  const double model =
      4.0 * static_cast<double>(train::parameter_count(settings.model));
  const double unit = static_cast<double>(run.largest_unit_bytes());
  const double share = 4.0 * model / mesh.size();  // master, two moments, gradients
  std::printf("%d ranks, model %.1f MiB, largest unit %.1f MiB (MiB on rank 0)\n",
              mesh.size(), model / mib, unit / mib);
  std::printf("%-34s %10s %10s\n", "", "measured", "count");
  std::printf("%-34s %10.1f %10.1f\n", "built: master and moments", built / mib,
              0.75 * share / mib);
  std::printf("%-34s %10.1f %10.1f\n", "most while it was built", building / mib,
              (0.75 * share + unit) / mib);
  std::printf("%-34s %10.1f %10.1f\n", "held between steps", held / mib, share / mib);
  std::printf("%-34s %10.1f %10.1f\n", "most in a step", peak / mib,
              (share + 2.0 * unit) / mib);
  std::printf("%-34s %10.2f\n", "beyond 1/P, in units", (peak - share) / unit);
}

int run(int argc, char** argv) {
  CLI::App app("What sharding costs", "shardopt-bench");
  app.require_subcommand(1);
  Settings settings;
  app.add_option("--layers", settings.model.layers);
  app.add_option("--dim", settings.model.dim);
  app.add_option("--context", settings.model.context);
  app.add_option("--batch", settings.batch);
  app.add_option("--pairs", settings.pairs);
  app.add_option("--steps", settings.steps, "Steps per half of a pair");
  app.add_subcommand("overhead", "1 rank sharded against plain LibTorch, CPU time")
      ->callback([&] { overhead(settings); });
  app.add_subcommand("memory", "Bytes per rank; start it with torchrun")->callback([&] {
    memory(settings);
  });
  CLI11_PARSE(app, argc, argv);
  return 0;
}

}  // namespace
}  // namespace shardopt::bench

int main(int argc, char** argv) {
  try {
    return shardopt::bench::run(argc, argv);
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "shardopt-bench: %s\n", error.what_without_backtrace());
    return 1;
  }
}
