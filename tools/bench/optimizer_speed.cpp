#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "bench/subcommands.h"
#include "shardopt/core/random.h"
#include "shardopt/distributed/mesh.h"
#include "shardopt/optim/build_optimizer.h"

namespace shardopt::bench {
namespace {

constexpr double kLr = 1e-3;
constexpr double kWeightDecay = 0.1;

std::vector<std::vector<int64_t>> shapes_of(const config::ModelOptions& model) {
  const train::Gpt gpt(model, 1, make_named_generator(1, "dropout"), nullptr);
  std::vector<std::vector<int64_t>> shapes;
  for (const auto& [name, leaf] : gpt.leaves()) shapes.push_back(leaf.sizes().vec());
  return shapes;
}

// A weight for each shape, all on the one rank there is, with a random gradient.
std::vector<Parameter> make_parameters(
    const std::vector<std::vector<int64_t>>& shapes) {
  const auto generator = make_named_generator(1, "numbers");
  std::vector<Parameter> parameters;
  for (const auto& shape : shapes) {
    at::Tensor rows =
        at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat));
    rows.mutable_grad() = at::randn_like(rows);
    parameters.push_back(
        {"p" + std::to_string(parameters.size()), rows, Shard({0, shape.at(0)}, 0)});
  }
  return parameters;
}

std::function<void()> copying(const std::vector<Parameter>& parameters) {
  std::vector<at::Tensor> from;
  std::vector<at::Tensor> to;
  for (const Parameter& parameter : parameters) {
    from.push_back(parameter.rows);
    to.push_back(at::zeros_like(parameter.rows));
  }
  return [from, to] { at::_foreach_copy_(to, from); };
}

std::function<void()> updating(const std::vector<Parameter>& parameters,
                               const std::string& algorithm) {
  const auto mesh =
      std::make_shared<distributed::Mesh>(distributed::make_single_mesh());
  const std::shared_ptr<optim::Optimizer> optimizer = optim::build_optimizer(
      parameters, {.name = algorithm, .lr = kLr, .weight_decay = kWeightDecay}, *mesh);
  return [mesh, optimizer] { optimizer->step(); };
}

double seconds_of(int64_t steps, const std::function<void()>& step) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < steps; ++i) step();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

void print(const nlohmann::json& line) {
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

}  // namespace

void optimizer_speed(const Settings& settings, const std::string& algorithm) {
  const auto shapes = shapes_of(settings.model);
  const std::vector<Parameter> parameters = make_parameters(shapes);
  const std::function<void()> step =
      algorithm == "copy" ? copying(parameters) : updating(parameters, algorithm);
  print({{"shapes", shapes}, {"lr", kLr}, {"weight_decay", kWeightDecay}});
  int64_t steps = 0;
  while (std::cin >> steps) print({{"seconds", seconds_of(steps, step)}});
}

}  // namespace shardopt::bench
