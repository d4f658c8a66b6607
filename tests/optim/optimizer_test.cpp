#include "shardopt/optim/optimizer.h"

#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/optim/lion.h"

namespace shardopt::optim {
namespace {

// Ones with a gradient of ones, so that a step of Lion subtracts its lr.
Parameter make_parameter(std::string name) {
  Parameter parameter = ones(std::move(name));
  parameter.rows.mutable_grad() = at::ones({2, 3}, at::kDouble);
  return parameter;
}

ParamGroup<LionOptions> make_group(std::string name, Parameter parameter, double lr) {
  return {std::move(name), {std::move(parameter)}, {.lr = lr}};
}

std::unique_ptr<Optimizer> make_lion(std::string group, Parameter parameter,
                                     double lr) {
  return std::make_unique<Lion>(
      std::vector{make_group(std::move(group), std::move(parameter), lr)});
}

void expect_all(const Parameter& parameter, double value) {
  expect_near(parameter.rows, at::full({2, 3}, value, at::kDouble), 1e-15);
}

TEST(OptimizerTest, SkipsParameterWithoutGradientWhole) {
  const Parameter still = ones("still");
  const Parameter moving = make_parameter("moving");
  Lion lion(group_of({still, moving}, LionOptions{.lr = 0.25, .weight_decay = 0.5}));
  lion.step();
  lion.step();
  expect_all(still, 1.0);  // not even decayed
  EXPECT_EQ(lion.step_count("still"), 0);
  EXPECT_EQ(lion.step_count("moving"), 2);
  EXPECT_EQ(lion.step_count(), 2);
}

TEST(OptimizerTest, GroupsAndNestedOptimizersMoveByTheirOwnLrTimesFactor) {
  const Parameter a = make_parameter("a");
  const Parameter b = make_parameter("b");
  const Parameter c = make_parameter("c");
  Lion lion({make_group("slow", a, 0.25), make_group("quick", b, 0.5)});
  lion.add_child("inner", make_lion("all", c, 1.0));

  lion.set_lr_factor(0.5);
  lion.step();

  expect_all(a, 0.875);  // 1 - 0.25 / 2
  expect_all(b, 0.75);
  expect_all(c, 0.5);
}

TEST(OptimizerTest, GivesItsLrFactorToChildrenThatComeLater) {
  const Parameter w = make_parameter("w");
  Lion outer({});
  outer.set_lr_factor(0.5);
  outer.add_child("inner", make_lion("all", w, 0.5));
  outer.step();
  expect_all(w, 0.75);
}

TEST(OptimizerTest, ZeroGradAndStepReachNestedOptimizersOfNestedOnes) {
  const Parameter w = make_parameter("w");
  auto middle = std::make_unique<Lion>(std::vector<ParamGroup<LionOptions>>{});
  middle->add_child("inner", make_lion("all", w, 0.5));
  Lion outer({});
  outer.add_child("middle", std::move(middle));

  outer.step();
  EXPECT_EQ(outer.step_count("w"), 1);
  outer.zero_grad();
  EXPECT_FALSE(w.rows.grad().defined());
  outer.step();
  EXPECT_EQ(outer.step_count("w"), 1);
  EXPECT_EQ(outer.step_count(), 2);
}

TEST(OptimizerTest, ListsGroupsWithLrInForce) {
  Lion outer({make_group("first", make_parameter("a"), 0.25)});
  outer.add_child("inner", make_lion("second", make_parameter("b"), 1.0));
  outer.set_lr_factor(0.5);

  const std::vector<GroupSummary> groups = outer.groups();

  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].name, "first");
  EXPECT_EQ(groups[0].algorithm, "lion");
  EXPECT_EQ(groups[0].lr, 0.125);
  EXPECT_EQ(groups[0].parameters, 1);
  EXPECT_EQ(groups[1].name, "inner/second");
  EXPECT_EQ(groups[1].lr, 0.5);
}

TEST(OptimizerTest, LeavesGradientsThatRequireNoContiguityAsTheyAre) {
  const Parameter w = ones("w", 3, 3);
  const at::Tensor grad = at::arange(9, at::kDouble).view({3, 3}).t();
  w.rows.mutable_grad() = grad;
  Lion lion(group_of({w}, LionOptions{.lr = 0.5}));
  lion.step();
  expect_near(w.rows, 1.0 - 0.5 * grad.sign(), 1e-15);
  EXPECT_EQ(w.rows.grad().strides(), grad.strides());
}

TEST(OptimizerTest, MovesLeavesThatRequireGradients) {
  const Parameter w = make_parameter("w");
  w.rows.set_requires_grad(true);
  Lion lion(group_of({w}, LionOptions{.lr = 0.5}));
  lion.step();
  expect_all({w.name, w.rows.detach(), w.shard}, 0.5);
  EXPECT_FALSE(lion.state()
                   .child("parameters")
                   .child("w")
                   .tensors.at("momentum")
                   .tensor.requires_grad());
}

TEST(OptimizerTest, RejectsNamesThatAreTaken) {
  const auto group = make_group("all", ones("w"), 0.5);
  const auto namesake = make_group("all", ones("b"), 0.5);
  EXPECT_THROW(Lion({group, namesake}), c10::Error);
  EXPECT_THROW(Lion(group_of({ones("w"), ones("w")}, LionOptions{})), c10::Error);

  Lion outer({group});
  outer.add_child("inner", make_lion("all", ones("b"), 0.5));
  EXPECT_THROW(outer.add_child("inner", make_lion("all", ones("c"), 0.5)), c10::Error);
  EXPECT_THROW(outer.add_child("groups", make_lion("all", ones("c"), 0.5)), c10::Error);
  EXPECT_THROW(outer.add_child("other", make_lion("all", ones("w"), 0.5)), c10::Error);
  EXPECT_THROW(outer.add_child("other", nullptr), c10::Error);
  EXPECT_TRUE(outer.has_child("inner"));
  EXPECT_FALSE(outer.has_child("other"));
}

TEST(OptimizerTest, RejectsRowsThatItCannotTake) {
  const auto error = [](Parameter parameter) {
    return message_of<c10::Error>([&] {
      Lion lion(group_of({ones("first"), parameter}, LionOptions{}));
    });
  };
  Parameter w = ones("w");
  w.shard = Shard({0, 3}, 0);
  expect_contains(error(w), "parameter 'w' is [2, 3], but its shard has 3 rows");
  expect_contains(error({"w", {}, Shard({0, 1}, 0)}), "'w' is undefined");
  expect_contains(error({"w", at::zeros({}, at::kDouble), Shard({0, 1}, 0)}), "'w'");
  expect_contains(error(whole("w", at::zeros({2, 3}, at::kDouble).t())), "contiguous");
  expect_contains(error(whole("w", at::zeros({2}, at::kBFloat16))),
                  "BFloat16; optimizers take fp32 or fp64");
  expect_contains(error(whole("w", at::zeros({2}, at::kFloat))), "differ in dtype");
}

// Checked for nested optimizers too before the first one moves.
TEST(OptimizerTest, RejectsGradientsThatDoNotFitBeforeAnythingMoves) {
  const Parameter outer_weight = make_parameter("a");
  const Parameter w = ones("w");
  Lion lion({make_group("all", outer_weight, 0.5)});
  lion.add_child("inner", make_lion("all", w, 0.5));
  for (const at::Tensor& grad :
       {at::ones({3, 2}, at::kDouble), at::ones({2, 3}, at::kFloat),
        at::ones({2, 3}, at::kDouble).to_sparse()}) {
    w.rows.unsafeGetTensorImpl()->set_autograd_meta(nullptr);  // no check of its own
    w.rows.mutable_grad() = grad;
    expect_contains(message_of<c10::Error>([&] { lion.step(); }), "gradient of 'w'");
  }
  expect_all(outer_weight, 1.0);
  EXPECT_EQ(lion.step_count(), 0);
  EXPECT_EQ(lion.step_count("a"), 0);
}

TEST(OptimizerTest, RejectsFactorsThatAreNoFactorsAndUnknownNames) {
  Lion lion({});
  EXPECT_THROW(lion.set_lr_factor(-0.1), c10::Error);
  EXPECT_THROW(lion.set_lr_factor(std::numeric_limits<double>::quiet_NaN()),
               c10::Error);
  EXPECT_THROW(lion.set_lr_factor(std::numeric_limits<double>::infinity()), c10::Error);
  EXPECT_THROW((void)lion.step_count("w"), c10::Error);
}

}  // namespace
}  // namespace shardopt::optim
