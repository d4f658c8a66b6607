// Every optimizer with every transform, saved in the middle of an accumulation and gone
// on with in new objects: the bits of a run that never stopped.
#include <memory>
#include <optional>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/optim/build_optimizer.h"
#include "shardopt/optim/gradient_pipeline.h"
#include "shardopt/optim/weight_average.h"

namespace shardopt::optim {
namespace {

const std::vector<TransformRule>& transforms() {
  static const std::vector<TransformRule> table = {
      {.name = "clip_norm", .max_norm = 0.5},
      {.name = "clip_global_norm", .max_norm = 0.5},
      {.name = "clip_value", .value = 0.1},
      {.name = "grokfast_ema"},
      {.name = "grokfast_ma", .window = 2},
      {.name = "orthograd"}};
  return table;
}

// A matrix, an empty shard and a vector, and all that trains them.
class Trainee {
 public:
  Trainee(const std::string& algorithm, const TransformRule& rule)
      : mesh_(distributed::make_single_mesh()),
        parameters_({whole("matrix", numbers({4, 3})),
                     {"empty", numbers({0, 3}), Shard({0, 2, 2}, 1)},
                     whole("vector", numbers({5}))}) {
    OptimizerConfig config{.name = algorithm, .weight_decay = 0.1};
    config.sgd.momentum = 0.9;
    config.adam.amsgrad = true;
    config.muon.normuon = true;
    optimizer_ = build_optimizer(parameters_, config, mesh_);
    const std::vector<TransformRule> rules = {{.name = "accumulate", .steps = 3}, rule};
    pipeline_ = std::make_unique<GradientPipeline>(
        PipelineParts{.parameters = parameters_}, rules, mesh_);
    average_.emplace(parameters_, AverageOptions{.mode = AverageMode::kEma});
  }

  void train(int from, int to) {
    for (int call = from; call < to; ++call) {
      for (Parameter& parameter : parameters_) {
        const at::Tensor wave = at::arange(parameter.rows.numel());
        parameter.rows.mutable_grad() =
            (wave * 1.3 + call).sin().view(parameter.rows.sizes());
      }
      if (!pipeline_->collect()) continue;
      pipeline_->transform();
      optimizer_->step();
      average_->update();
    }
  }

  StateTree state() const {
    StateTree tree{.kind = "all"};
    tree.children.emplace("optimizer", optimizer_->state());
    tree.children.emplace("transforms", pipeline_->state());
    tree.children.emplace("average", average_->state());
    return deep_copy(tree);
  }

  void take_over(const Trainee& other) {
    const StateTree saved = other.state();
    optimizer_->load_state(saved.child("optimizer"));
    pipeline_->load_state(saved.child("transforms"));
    average_->load_state(saved.child("average"));
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      parameters_[i].rows.copy_(other.parameters_[i].rows);
    }
  }

  void expect_same(const Trainee& other) const {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      EXPECT_TRUE(at::equal(parameters_[i].rows, other.parameters_[i].rows));
    }
    expect_same_tensors(state(), other.state());
  }

 private:
  static at::Tensor numbers(at::IntArrayRef sizes) {
    return at::arange(c10::multiply_integers(sizes), at::kFloat).cos().view(sizes);
  }

  distributed::Mesh mesh_;
  std::vector<Parameter> parameters_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<GradientPipeline> pipeline_;
  std::optional<WeightAverage> average_;
};

class RoundTripTest
    : public testing::TestWithParam<std::tuple<std::string, TransformRule>> {};

TEST_P(RoundTripTest, GoesOnToTheSameBitsFromTheMiddleOfAWindow) {
  const auto& [algorithm, rule] = GetParam();
  Trainee straight(algorithm, rule);
  straight.train(0, 20);
  for (const int calls : {6, 7, 8}) {
    Trainee first(algorithm, rule);
    first.train(0, calls);
    Trainee second(algorithm, rule);
    second.train(0, 4);  // What it has is replaced.
    second.take_over(first);
    second.train(calls, 20);
    second.expect_same(straight);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RoundTripTest,
    testing::Combine(testing::ValuesIn(make_optimizer_registry().names()),
                     testing::ValuesIn(transforms())),
    [](const auto& instance) {
      return std::get<0>(instance.param) + "_with_" + std::get<1>(instance.param).name;
    });

}  // namespace
}  // namespace shardopt::optim
