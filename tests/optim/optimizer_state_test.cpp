#include <functional>
#include <memory>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/core/error.h"
#include "shardopt/optim/build_optimizer.h"
#include "shardopt/optim/lion.h"

namespace shardopt::optim {
namespace {

/// A model of a matrix, an empty shard, a vector and an unused matrix, and what trains
/// it: weights and states of two such are compared.
struct Trainee {
  explicit Trainee(const std::string& algorithm, at::ScalarType dtype = at::kFloat) {
    const auto numbers = [&](at::IntArrayRef sizes) {
      return at::arange(c10::multiply_integers(sizes), dtype).cos().view(sizes);
    };
    parameters = {whole("matrix", numbers({4, 3})),
                  {"empty", numbers({0, 3}), Shard({0, 2, 2}, 1)},
                  whole("vector", numbers({5})),
                  whole("unused", numbers({2, 2}))};
    optimizer = make(algorithm);
  }

  std::unique_ptr<Optimizer> make(const std::string& algorithm) const {
    OptimizerConfig config{.name = algorithm, .weight_decay = 0.1};
    config.sgd.momentum = 0.9;
    return build_optimizer(parameters, config, mesh);
  }

  void train(int64_t first, int64_t last) {
    for (int64_t step = first; step < last; ++step) {
      optimizer->set_lr_factor(1.0 / static_cast<double>(step + 1));
      for (Parameter& parameter : parameters) {
        if (parameter.name == "unused") continue;
        if (parameter.name == "vector" && step % 2 == 0) continue;
        const at::Tensor wave =
            at::arange(parameter.rows.numel(), parameter.rows.options());
        parameter.rows.mutable_grad() =
            (wave * 1.3 + step).sin().view(parameter.rows.sizes());
      }
      optimizer->step();
      optimizer->zero_grad();
    }
  }

  distributed::Mesh mesh = distributed::make_single_mesh();
  std::vector<Parameter> parameters;
  std::unique_ptr<Optimizer> optimizer;
};

class OptimizerStateTest : public testing::TestWithParam<std::string> {};

TEST_P(OptimizerStateTest, SaveLoadContinueEqualsNeverStopping) {
  Trainee straight(GetParam());
  straight.train(0, 7);

  Trainee first(GetParam());
  first.train(0, 4);
  const StateTree saved = deep_copy(first.optimizer->state());
  Trainee second(GetParam());
  for (std::size_t i = 0; i < first.parameters.size(); ++i) {
    second.parameters[i].rows.copy_(first.parameters[i].rows);
  }
  second.optimizer->load_state(saved);
  expect_same_tensors(second.optimizer->state(), saved);
  second.train(4, 7);

  for (std::size_t i = 0; i < straight.parameters.size(); ++i) {
    EXPECT_TRUE(at::equal(straight.parameters[i].rows, second.parameters[i].rows));
  }
  expect_same_tensors(straight.optimizer->state(), second.optimizer->state());
}

TEST_P(OptimizerStateTest, HoldsEveryParameterBeforeTheFirstStep) {
  const Trainee trainee(GetParam());
  const StateTree tree = trainee.optimizer->state();
  EXPECT_EQ(tree.kind, GetParam());
  EXPECT_EQ(tree.value<int64_t>("step"), 0);
  const StateTree& empty = tree.child("parameters").child("empty");
  for (const auto& [slot, state] : empty.tensors) {
    EXPECT_EQ(state.tensor.sizes(), at::IntArrayRef({0, 3})) << slot;
    EXPECT_EQ(state.spread, Spread::kCut);
    EXPECT_EQ(state.shard, Shard({0, 2, 2}, 1));
  }
  EXPECT_FALSE(empty.tensors.empty());
  const StateTree& owner = GetParam() == "muon" ? tree.child("adamw") : tree;
  EXPECT_EQ(owner.child("parameters").child("vector").value<std::string>("group"),
            "no_decay");
}

INSTANTIATE_TEST_SUITE_P(Algorithms, OptimizerStateTest,
                         testing::ValuesIn(make_optimizer_registry().names()),
                         [](const auto& instance) { return instance.param; });

TEST(OptimizerStateTest, RecordsGroupsByNameWithTheirOptions) {
  const StateTree groups = Trainee("lion").optimizer->state().child("groups");
  EXPECT_EQ(groups.children.size(), 2U);
  EXPECT_TRUE(groups.children.contains("no_decay"));
  const StateTree& options = groups.child("decay");
  EXPECT_EQ(options.value<double>("weight_decay"), 0.1);
  EXPECT_EQ(options.value<double>("lr"), 1e-4);
  EXPECT_EQ(options.value<double>("beta2"), 0.99);
}

TEST(OptimizerStateTest, CountsUpdatesOfEachParameter) {
  Trainee trainee("muon");
  trainee.train(0, 5);
  const StateTree tree = trainee.optimizer->state();
  EXPECT_EQ(tree.value<int64_t>("step"), 5);
  EXPECT_EQ(tree.child("parameters").child("matrix").value<int64_t>("step"), 5);
  const StateTree& inner = tree.child("adamw").child("parameters");
  EXPECT_EQ(inner.child("vector").value<int64_t>("step"), 2);
}

// Loading with other options is a choice of the user's, not a difference.
TEST(OptimizerStateTest, KeepsItsOwnOptions) {
  const Parameter w = ones("w");
  Lion saved(group_of({w}, LionOptions{.lr = 0.5, .beta1 = 0.7}));
  Lion lion(group_of({w}, LionOptions{.lr = 0.25}));
  lion.load_state(deep_copy(saved.state()));
  EXPECT_EQ(lion.groups()[0].lr, 0.25);
}

/// What loading says once `damage` was done to a state of Muon; checks that nothing
/// was taken over.
std::string refusal(const std::function<void(StateTree&)>& damage) {
  Trainee source("muon");
  source.train(0, 2);
  StateTree tree = deep_copy(source.optimizer->state());
  damage(tree);
  Trainee target("muon");
  const StateTree before = deep_copy(target.optimizer->state());
  const std::string message =
      message_of<CheckpointError>([&] { target.optimizer->load_state(tree); });
  expect_same_tensors(target.optimizer->state(), before);
  return message;
}

StateTree& parameter(StateTree& tree, const std::string& name) {
  return tree.children.at("parameters").children.at(name);
}

TEST(OptimizerStateTest, RefusesOtherParameters) {
  const std::string message = refusal([](StateTree& tree) {
    auto& parameters = tree.children.at("parameters").children;
    auto node = parameters.extract("matrix");
    node.key() = "stranger";
    parameters.insert(std::move(node));
  });
  expect_contains(message, "parameters: part 'matrix' is missing");
  expect_contains(message, "parameters: part 'stranger' is unknown");
}

TEST(OptimizerStateTest, RefusesOtherSlotsShapesDtypesAndCuts) {
  const std::string message = refusal([](StateTree& tree) {
    auto& matrix = parameter(tree, "matrix").tensors;
    matrix.at("momentum").tensor = at::zeros({3, 4});
    matrix["velocity"] = {.tensor = at::zeros({4, 3})};
    parameter(tree, "empty").tensors.at("momentum").shard = Shard({0, 1, 1}, 1);
    StateTree& inner = tree.children.at("adamw");
    auto& vector = parameter(inner, "vector").tensors;
    vector.at("exp_avg").tensor = at::zeros({5}, at::kDouble);
    vector.erase("exp_avg_sq");
    parameter(tree, "unused").tensors.at("momentum").tensor.reset();
  });
  expect_contains(
      message, "parameters/matrix: slot 'momentum' is Float[3, 4], here Float[4, 3]");
  expect_contains(message, "parameters/matrix: slot 'velocity' is unknown");
  expect_contains(message, "parameters/empty: slot 'momentum' is cut in another way");
  expect_contains(message, "adamw/parameters/vector: slot 'exp_avg' is Double[5]");
  expect_contains(message, "adamw/parameters/vector: slot 'exp_avg_sq' is missing");
  expect_contains(message, "parameters/unused: slot 'momentum' is undefined");
}

TEST(OptimizerStateTest, RefusesOtherKindsVersionsAndValues) {
  expect_contains(refusal([](StateTree& tree) { tree.kind = "lion"; }),
                  "kind is 'lion', here 'muon'");
  expect_contains(refusal([](StateTree& tree) { tree.version = 2; }),
                  "version is 2, here 1");
  const std::string message = refusal([](StateTree& tree) {
    tree.values.erase("lr_factor");
    tree.values["step"] = 2.0;
    tree.values["epoch"] = int64_t{1};
    tree.children.at("adamw").kind = "adam";
  });
  expect_contains(message, "value 'lr_factor' is missing");
  expect_contains(message, "value 'step' has another type");
  expect_contains(message, "value 'epoch' is unknown");
  expect_contains(message, "adamw: kind is 'adam', here 'adamw'");
}

TEST(OptimizerStateTest, RefusesOtherGroupsAndNestedOptimizers) {
  const std::string message = refusal([](StateTree& tree) {
    tree.children.at("groups").children.erase("no_decay");
    tree.children.at("groups").children.emplace("other", StateTree{.kind = "options"});
    parameter(tree, "matrix").values["group"] = std::string("no_decay");
    tree.children.erase("adamw");
  });
  expect_contains(message, "groups: part 'no_decay' is missing");
  expect_contains(message, "groups: part 'other' is unknown");
  expect_contains(message, "parameters/matrix: group is 'no_decay', here 'decay'");
  expect_contains(message, "part 'adamw' is missing");
}

// Meta tensors in their whole shape, as a checkpoint describes itself.
StateTree described(StateTree tree) {
  for (auto& [slot, state] : tree.tensors) {
    state.tensor =
        at::empty(whole_shape(state), state.tensor.options().device(at::kMeta));
    state.shard = Shard({0, state.tensor.size(0)}, 0);
  }
  for (auto& [name, child] : tree.children) child = described(std::move(child));
  return tree;
}

TEST(OptimizerStateTest, ChecksADescriptionByWholeShapes) {
  const Trainee trainee("muon");
  StateTree tree = described(trainee.optimizer->state());
  EXPECT_NO_THROW(trainee.optimizer->check_state(tree));
  at::Tensor& momentum = parameter(tree, "matrix").tensors.at("momentum").tensor;
  momentum = at::empty({7, 7}, momentum.options());
  parameter(tree, "matrix").tensors.at("momentum").shard = Shard({0, 7}, 0);
  try {
    trainee.optimizer->check_state(tree);
    FAIL() << "no error";
  } catch (const CheckpointError& error) {
    expect_contains(error.what(), "slot 'momentum' is Float[7, 7]");
  }
}

TEST(OptimizerStateTest, RefusesToLoadADescription) {
  Trainee trainee("lion");
  EXPECT_THROW(trainee.optimizer->load_state(described(trainee.optimizer->state())),
               c10::Error);
}

}  // namespace
}  // namespace shardopt::optim
