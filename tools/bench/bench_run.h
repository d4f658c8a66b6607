/// What the subcommands of shardopt-bench measure: training steps of a small GPT.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/config/train_config.h"
#include "shardopt/distributed/fully_sharded_unit.h"
#include "shardopt/distributed/launch_mesh.h"
#include "shardopt/optim/optimizer.h"
#include "train/gpt.h"

namespace shardopt::bench {

/// Of the command line.
struct Settings {
  config::ModelOptions model{};
  int64_t batch = 16;  ///< Samples of a step, on each rank.
  int64_t pairs = 11;
  int64_t steps = 20;  ///< Of half a pair.
  distributed::MeshShape mesh{};
};

/// Training steps on fixed random bytes, with AdamW. The mesh outlives it.
class Run {
 public:
  /// Sharded over `mesh`, or plain LibTorch without `sharding`.
  Run(const Settings& settings, const distributed::Mesh& mesh,
      const std::optional<distributed::ShardingOptions>& sharding);

  /// Collective if sharded.
  void step();
  void steps(int64_t count);

  [[nodiscard]] int64_t largest_unit_bytes() const;

 private:
  [[nodiscard]] std::vector<Parameter> parameters() const;

  std::unique_ptr<distributed::ShardedModel> sharded_;  // null: plain
  train::Gpt gpt_;
  at::Tensor samples_;  // [batch, context + 1]
  std::unique_ptr<optim::Optimizer> optimizer_;
};

/// The ranks of a launch and their mesh.
struct Job {
  distributed::Meeting meeting;
  distributed::Mesh mesh;
};

/// As the launcher's environment says. Throws as read_launch, meet and make_mesh do.
/// Collective.
[[nodiscard]] Job join(const distributed::MeshShape& shape);

/// Of this process, all threads.
[[nodiscard]] double cpu_seconds();

/// The upper one of an even number. `values` are not empty.
[[nodiscard]] double median(std::vector<double> values);

}  // namespace shardopt::bench
