// Caution, decay and its order, missing gradients: what every algorithm shares.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/optim/build_optimizer.h"

namespace shardopt::optim {
namespace {

at::Tensor row(std::vector<double> values) {
  return at::tensor(values, at::kDouble).unsqueeze(0);
}

// One step of SGD from `weight`.
at::Tensor step(OptimizerConfig config, const at::Tensor& weight,
                const at::Tensor& gradient) {
  const at::Tensor w = weight.clone();
  w.mutable_grad() = gradient.clone();
  config.name = "sgd";
  const distributed::Mesh mesh = distributed::make_single_mesh();
  build_optimizer({whole("w", w)}, config, mesh)->step();
  return w;
}

// SGD's direction is the gradient: all but zeros are kept. 3 of 4 entries: m = 0.75.
TEST(UpdateRulesTest, CautionDividesByTheShareThatIsKept) {
  const at::Tensor w = at::zeros({1, 4}, at::kDouble);
  const at::Tensor g = row({3.0, -3.0, 0.0, 6.0});
  OptimizerConfig config{.lr = 1.0};
  config.rules.caution = true;
  expect_near(step(config, w, g), g / -0.75, 1e-15);
  config.rules.caution_normaliser = CautionNormaliser::kPlusOne;
  expect_near(step(config, w, g), -g, 1e-15);  // 4 / (3 + 1)
  config.rules.caution_normaliser = CautionNormaliser::kPlusEps;
  expect_near(step(config, w, g), g / -(0.75 + 1e-8), 1e-15);
}

TEST(UpdateRulesTest, CautionMasksWhatMomentumDoesAgainstTheGradient) {
  const at::Tensor w = at::zeros({1, 2}, at::kDouble);
  OptimizerConfig config{.name = "sgd", .lr = 1.0};
  config.sgd.momentum = 0.5;
  config.rules.caution = true;
  const distributed::Mesh mesh = distributed::make_single_mesh();
  const auto sgd = build_optimizer({whole("w", w)}, config, mesh);
  w.mutable_grad() = row({4.0, 4.0});
  sgd->step();
  w.mutable_grad() = row({-1.0, 1.0});  // momentum is {1, 3}
  sgd->step();
  expect_near(w, row({-4.0, -4.0 - 3.0 / 0.5}), 1e-15);
}

TEST(UpdateRulesTest, CautionWithNothingKeptDoesNotMove) {
  const at::Tensor w = at::ones({1, 2}, at::kDouble);
  OptimizerConfig config{.lr = 1.0};
  config.rules.caution = true;
  expect_near(step(config, w, at::zeros({1, 2}, at::kDouble)), w, 0.0);
}

// lr wd = 0.25. Before: 0.75 w - u; after: 0.75 (w - u).
TEST(UpdateRulesTest, DecayComesBeforeOrAfterTheStep) {
  OptimizerConfig config{.lr = 0.5, .weight_decay = 0.5};
  const at::Tensor w = row({4.0, 8.0});
  const at::Tensor g = row({2.0, -2.0});
  expect_near(step(config, w, g), row({2.0, 7.0}), 1e-15);
  config.rules.decay_order = DecayOrder::kAfter;
  expect_near(step(config, w, g), row({2.25, 6.75}), 1e-15);
}

// Only the first entry moves towards zero; a direction of zero counts as agreeing.
TEST(UpdateRulesTest, CautiousDecayShrinksWhatTheStepShrinks) {
  OptimizerConfig config{.lr = 0.5, .weight_decay = 0.5};
  config.rules.cautious_decay = true;
  const at::Tensor w = row({4.0, 8.0, 8.0});
  const at::Tensor g = row({2.0, -2.0, 0.0});
  expect_near(step(config, w, g), row({2.0, 9.0, 6.0}), 1e-15);
  config.rules.decay_order = DecayOrder::kAfter;
  expect_near(step(config, w, g), row({2.25, 9.0, 6.0}), 1e-15);
  config.weight_decay = 0.0;
  expect_near(step(config, w, g), row({3.0, 9.0, 8.0}), 1e-15);
}

TEST(UpdateRulesTest, AMissingGradientMayCountAsZero) {
  const at::Tensor w = at::ones({1, 2}, at::kDouble);
  const distributed::Mesh mesh = distributed::make_single_mesh();
  OptimizerConfig config{.name = "lion",
                         .lr = 0.5,
                         .weight_decay = 0.5,
                         .missing_gradient = MissingGradient::kZero};
  const auto lion = build_optimizer({whole("w", w)}, config, mesh);
  lion->step();
  expect_near(w, row({0.75, 0.75}), 1e-15);
  EXPECT_EQ(lion->step_count("w"), 1);
}

}  // namespace
}  // namespace shardopt::optim
