/// A model cut over thread ranks, trained by a recipe.
#pragma once

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "shardopt/optim/build_optimizer.h"
#include "shardopt/optim/gradient_pipeline.h"
#include "shardopt/optim/weight_average.h"

namespace shardopt::optim {

//// Everything that changes weights.
struct Recipe {
  OptimizerConfig config{};
  std::vector<TransformRule> transforms{};
  AverageOptions average{};
  int steps = 5;
};

/// What a model is made of: shapes with no, one and many rows, and a 0-d tensor (one
/// row). Rows of 16 k numbers and others.
inline const std::vector<std::vector<int64_t>>& shapes() {
  static const std::vector<std::vector<int64_t>> table = {
      {7, 16}, {5, 32}, {1, 16}, {13}, {4, 2, 3}, {1}, {9, 33}};
  return table;
}

using Cut = std::vector<int64_t>;  /// offsets [ranks + 1]
using Cuts = std::vector<Cut>;     /// by parameter

inline at::Tensor numbers(std::size_t parameter, double frequency, double phase,
                          at::ScalarType dtype) {
  const auto& sizes = shapes()[parameter];
  const at::Tensor i = at::arange(c10::multiply_integers(sizes), at::kDouble);
  return (i * frequency + phase + static_cast<double>(parameter))
      .sin()
      .view(sizes)
      .to(dtype);
}

/// Whole weights after training on the ranks of `mesh` with these cuts.
inline std::vector<at::Tensor> train(const Recipe& recipe, const Cuts& cuts,
                                     const distributed::Mesh& mesh,
                                     at::ScalarType dtype) {
  std::vector<Parameter> parameters;
  const auto cut = [&](const at::Tensor& tensor, const Shard& shard) {
    return tensor.narrow(0, shard.local_begin(), shard.local_rows()).clone();
  };
  for (std::size_t p = 0; p < shapes().size(); ++p) {
    const Shard shard(cuts[p], mesh.rank());
    parameters.push_back(
        {"p" + std::to_string(p), cut(numbers(p, 0.9, 0.0, dtype), shard), shard});
  }
  const auto optimizer = build_optimizer(parameters, recipe.config, mesh);
  GradientPipeline pipeline({.parameters = parameters}, recipe.transforms, mesh);
  std::optional<WeightAverage> average;
  if (recipe.average.mode == AverageMode::kEma) {
    average.emplace(parameters, recipe.average);
  }
  for (int step = 0; step < recipe.steps; ++step) {
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      parameters[p].rows.mutable_grad() =
          cut(numbers(p, 1.3, 0.7 * step, dtype), parameters[p].shard);
    }
    TORCH_CHECK(pipeline.collect(), "an update is due in each step");
    pipeline.transform();
    optimizer->step();
    if (average) average->update();
  }
  optimizer->use_evaluation_point();
  if (average) average->use_average();
  std::vector<at::Tensor> weights;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    at::Tensor weight = at::zeros(shapes()[p], dtype);
    const Shard& shard = parameters[p].shard;
    weight.narrow(0, shard.local_begin(), shard.local_rows()).copy_(parameters[p].rows);
    mesh.shard().all_gather(weight, shard)->wait();
    weights.push_back(weight);
  }
  return weights;
}

inline std::vector<at::Tensor> train_on_one(const Recipe& recipe,
                                            at::ScalarType dtype) {
  Cuts cuts;
  for (const auto& sizes : shapes()) cuts.push_back({0, sizes[0]});
  distributed::Mesh mesh = distributed::make_single_mesh();
  return train(recipe, cuts, mesh, dtype);
}

/// Any boundaries, so that many pieces are empty.
inline Cuts random_cuts(int ranks, unsigned seed) {
  std::mt19937 random(seed);
  Cuts cuts;
  for (const auto& sizes : shapes()) {
    std::uniform_int_distribution<int64_t> row(0, sizes[0]);
    Cut offsets = {0, sizes[0]};
    for (int i = 1; i < ranks; ++i) offsets.push_back(row(random));
    std::ranges::sort(offsets);
    cuts.push_back(offsets);
  }
  return cuts;
}

/// Each parameter entire on one rank, in turn.
inline Cuts whole_cuts(int ranks) {
  Cuts cuts;
  for (std::size_t p = 0; p < shapes().size(); ++p) {
    Cut offsets(ranks + 1, 0);
    for (int rank = static_cast<int>(p) % ranks; rank < ranks; ++rank) {
      offsets[rank + 1] = shapes()[p][0];
    }
    cuts.push_back(offsets);
  }
  return cuts;
}

}  // namespace shardopt::optim
