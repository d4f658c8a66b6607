#include "bench/bench_run.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include <torch/types.h>

#include "shardopt/core/random.h"
#include "shardopt/optim/build_optimizer.h"

namespace shardopt::bench {

Run::Run(const Settings& settings, const distributed::Mesh& mesh,
         const std::optional<distributed::ShardingOptions>& sharding)
    : sharded_(sharding ? std::make_unique<distributed::ShardedModel>(mesh, *sharding)
                        : nullptr),
      gpt_(settings.model, 1, make_named_generator(1, "dropout"), sharded_.get()),
      samples_(at::randint(256, {settings.batch, settings.model.context + 1},
                           make_named_generator(1, "samples"),
                           at::TensorOptions().dtype(at::kLong))) {
  optimizer_ = optim::build_optimizer(parameters(), {.lr = 1e-3}, mesh);
}

void Run::step() {
  optimizer_->zero_grad();
  gpt_.loss(samples_).backward();
  optimizer_->step();
}

void Run::steps(int64_t count) {
  for (int64_t i = 0; i < count; ++i) step();
}

int64_t Run::largest_unit_bytes() const {
  int64_t largest = 0;
  int64_t block = 0;
  for (const auto& [name, leaf] : gpt_.leaves()) {
    const int64_t bytes = leaf.numel() * static_cast<int64_t>(sizeof(float));
    if (name.starts_with("blocks.0.")) block += bytes;
    largest = std::max(largest, bytes);
  }
  return std::max(largest, block);
}

// The same parameters either way: a plain leaf is its own only shard.
std::vector<Parameter> Run::parameters() const {
  if (sharded_) return sharded_->parameters();
  std::vector<Parameter> result;
  for (const auto& [name, leaf] : gpt_.leaves()) {
    result.push_back({name, leaf, Shard({0, leaf.size(0)}, 0)});
  }
  return result;
}

Job join(const distributed::MeshShape& shape) {
  const auto launch = distributed::read_launch({}, distributed::process_environment());
  auto meeting = distributed::meet(launch, std::chrono::minutes(1));
  auto mesh = distributed::make_mesh(meeting, shape);
  return {std::move(meeting), std::move(mesh)};
}

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace shardopt::bench
