/// A case on one rank.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "shardopt/core/parameter.h"
#include "shardopt/distributed/mesh.h"

#include "replay/run.h"
#include "train/weight_update.h"

namespace shardopt::replay {

/// Plays all calls of a case with this rank's rows. Functions are collective.
class RankReplay {
 public:
  /// Both arguments outlive it. Throws ConfigError as run_case does.
  RankReplay(const Case& given, const distributed::Mesh& mesh);

  /// Tensors hold this rank's rows.
  [[nodiscard]] Replay run();

 private:
  void set_gradients(std::size_t call);
  [[nodiscard]] bool has_finite_gradients() const;
  /// The lr of each group, if there was an update.
  std::optional<std::vector<double>> play(std::size_t call);
  [[nodiscard]] Weights weights() const;
  [[nodiscard]] Weights evaluation_weights();

  const Case& case_;
  const distributed::Mesh& mesh_;
  std::vector<Parameter> parameters_;
  train::WeightUpdate update_;
  int64_t updates_ = 0;
};

}  // namespace shardopt::replay
