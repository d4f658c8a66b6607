/// A small model in two forms, plain and sharded, for tests of FullyShardedUnit.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "shardopt/distributed/fully_sharded_unit.h"
#include "shardopt/distributed/mesh.h"

namespace shardopt::test {

inline constexpr int64_t kWidth = 5;
inline constexpr int kLayers = 3;

/// Values of a parameter that depend on its name alone.
inline at::Tensor values_of(const std::string& name, at::IntArrayRef sizes) {
  double phase = 0.0;
  for (const char c : name) phase += c;
  int64_t numel = 1;
  for (const int64_t size : sizes) numel *= size;
  return at::sin(at::arange(numel, at::kFloat) * 0.7 + phase).mul(0.5).view(sizes);
}

/// The input of one rank: [4, kWidth].
inline at::Tensor input_of(int rank) {
  return at::cos(at::arange(4 * kWidth, at::kFloat) * 0.3 + rank).view({4, kWidth});
}

/// tanh(x W^T + b) * s: a matrix, a vector, and a 0-d parameter.
struct Layer {
  explicit Layer(const std::string& prefix, bool trainable = true) : name(prefix) {
    weight = values_of(name + ".weight", {kWidth, kWidth});
    bias = values_of(name + ".bias", {kWidth});
    scale = values_of(name + ".scale", {}).add(1.0);
    for (auto* leaf : {&weight, &bias, &scale}) leaf->set_requires_grad(trainable);
  }
  at::Tensor forward(const at::Tensor& x) const {
    return at::tanh(at::linear(x, weight, bias)) * scale;
  }
  std::vector<distributed::ModelParameter> parameters() const {
    return {
        {name + ".weight", weight}, {name + ".bias", bias}, {name + ".scale", scale}};
  }
  std::string name;
  at::Tensor weight, bias, scale;
};

/// The layers in a row, each a unit of its own.
struct ShardedLayers {
  explicit ShardedLayers(const distributed::Mesh& mesh,
                         distributed::ShardingOptions options = {}, int count = kLayers)
      : model(mesh, std::move(options)) {
    for (int i = 0; i < count; ++i) {
      layers.emplace_back("layer" + std::to_string(i));
      units.push_back(&model.add_unit(layers.back().name, layers.back().parameters()));
    }
  }
  at::Tensor forward(at::Tensor x) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      x = units[i]->run_one(x, [&] { return layers[i].forward(x); });
    }
    return x;
  }
  distributed::ShardedModel model;
  std::vector<Layer> layers;
  std::vector<distributed::FullyShardedUnit*> units;
};

inline distributed::Layout random_layout(unsigned seed) {
  return [seed](std::span<const distributed::ParameterShape> shapes, int ranks) {
    std::mt19937 random(seed);  // the same on every rank
    distributed::Cuts cuts;
    for (const auto& shape : shapes) {
      std::uniform_int_distribution<int64_t> cut(0, distributed::row_count(shape));
      std::vector<int64_t> offsets{0, distributed::row_count(shape)};
      for (int i = 1; i < ranks; ++i) offsets.push_back(cut(random));
      std::ranges::sort(offsets);
      cuts.push_back(offsets);
    }
    return cuts;
  };
}

// Parameter i whole on rank i mod ranks.
inline distributed::Layout whole_layout() {
  return [](std::span<const distributed::ParameterShape> shapes, int ranks) {
    distributed::Cuts cuts;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      std::vector<int64_t> offsets(ranks + 1, 0);
      for (int r = static_cast<int>(i) % ranks; r < ranks; ++r) {
        offsets[r + 1] = distributed::row_count(shapes[i]);
      }
      cuts.push_back(offsets);
    }
    return cuts;
  };
}

/// Cuts of every kind: as torch.chunk does, whole parameters, at random.
inline constexpr int kLayouts = 5;
inline distributed::Layout layout_number(int i) {
  if (i == 0) return distributed::rows_layout();
  return i == 1 ? whole_layout() : random_layout(i);
}

using Gradients = std::map<std::string, at::Tensor>;

/// Of the plain model, averaged over the inputs of `ranks` ranks.
inline Gradients plain_gradients(int ranks, int count = kLayers) {
  std::vector<Layer> layers;
  for (int i = 0; i < count; ++i) layers.emplace_back("layer" + std::to_string(i));
  for (int rank = 0; rank < ranks; ++rank) {
    at::Tensor x = input_of(rank);
    for (const auto& layer : layers) x = layer.forward(x);
    x.square().mean().backward();
  }
  Gradients result;
  for (const auto& layer : layers) {
    for (const auto& p : layer.parameters()) result[p.name] = p.leaf.grad() / ranks;
  }
  return result;
}

/// Our rows of a whole gradient; a 0-d one is one row.
inline at::Tensor rows_of(const at::Tensor& whole, const Shard& shard) {
  const at::Tensor rows = whole.dim() == 0 ? whole.view({1}) : whole;
  return rows.narrow(0, shard.local_begin(), shard.local_rows());
}

// Sums over ranks and their order differ from the plain model's.
inline constexpr double kTolerance = 1e-5;

inline void expect_gradients(const distributed::ShardedModel& model,
                             const Gradients& expected, double factor = 1.0,
                             double tolerance = kTolerance) {
  for (const auto& p : model.parameters()) {
    ASSERT_TRUE(p.rows.grad().defined()) << p.name;
    const at::Tensor rows = rows_of(expected.at(p.name), p.shard) * factor;
    EXPECT_TRUE(at::allclose(p.rows.grad(), rows, tolerance, tolerance))
        << p.name << " on rank " << p.shard.rank() << ":\n"
        << p.rows.grad() << "\nexpected\n"
        << rows;
  }
}

inline void clear_gradients(const distributed::ShardedModel& model) {
  for (auto& p : model.parameters()) p.rows.mutable_grad().reset();
}

/// Forward and backward on the input of this rank.
inline void step(ShardedLayers& layers, const distributed::Mesh& mesh) {
  layers.forward(input_of(mesh.rank())).square().mean().backward();
}

}  // namespace shardopt::test
