#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/core/error.h"
#include "shardopt/optim/schedule_free_adamw.h"
#include "shardopt/optim/schedule_free_sgd.h"

namespace shardopt::optim {
namespace {

at::Tensor number(double value) { return at::full({1}, value, at::kDouble); }

// Worked by hand: lr 1, momentum 0.5, g = 1, W = 0. Step 1: z = -1, c = 1, x = -1,
// y = -1. Step 2: z = -2, c = 1 / 2, x = -1.5, y = 0.5 z + 0.5 x = -1.75.
TEST(ScheduleFreeTest, SgdAveragesItsPoints) {
  const at::Tensor w = number(0.0);
  ScheduleFreeSgd sgd(
      group_of({whole("w", w)}, ScheduleFreeSgdOptions{.momentum = 0.5}));
  for (const double expected : {-1.0, -1.75}) {
    w.mutable_grad() = number(1.0);
    sgd.step();
    EXPECT_NEAR(w.item<double>(), expected, 1e-15);
  }
  sgd.use_evaluation_point();
  EXPECT_NEAR(w.item<double>(), -1.5, 1e-15);
  sgd.use_training_point();
  EXPECT_NEAR(w.item<double>(), -1.75, 0.0);
}

template <typename Algorithm, typename Options>
struct Trainee {
  explicit Trainee(Options options = {})
      : optimizer(group_of({whole("w", w), whole("unused", unused)}, options)) {}

  void train(int from, int to) {
    for (int step = from; step < to; ++step) {
      w.mutable_grad() = (at::arange(6).view({2, 3}) * 1.3 + step).sin();
      optimizer.step();
    }
  }

  at::Tensor w = at::arange(6).view({2, 3}).cos();
  at::Tensor unused = at::ones({2});
  Algorithm optimizer;
};

using AdamW = Trainee<ScheduleFreeAdamW, ScheduleFreeAdamWOptions>;

TEST(ScheduleFreeTest, GoingToTheEvaluationPointAndBackChangesNoBit) {
  AdamW straight({.lr = 0.1, .weight_decay = 0.1});
  straight.train(0, 6);
  AdamW visitor({.lr = 0.1, .weight_decay = 0.1});
  for (int step = 0; step < 6; ++step) {
    visitor.train(step, step + 1);
    const at::Tensor y = visitor.w.clone();
    visitor.optimizer.use_evaluation_point();
    visitor.optimizer.use_evaluation_point();  // twice is once
    if (step > 0) {
      EXPECT_FALSE(at::equal(visitor.w, y));
    }
    EXPECT_TRUE(at::equal(visitor.unused, at::ones({2})));
    visitor.optimizer.use_training_point();
    EXPECT_TRUE(at::equal(visitor.w, y));
  }
  EXPECT_TRUE(at::equal(visitor.w, straight.w));
}

TEST(ScheduleFreeTest, RefusesToStepAtTheEvaluationPoint) {
  AdamW trainee;
  trainee.train(0, 1);
  trainee.optimizer.use_evaluation_point();
  expect_contains(message_of<c10::Error>([&] { trainee.optimizer.step(); }),
                  "call use_training_point()");
}

// Weights are the model's to save: as they are, at either point.
TEST(ScheduleFreeTest, IsSavedAtEitherPointAndGoesOnToTheSameBits) {
  AdamW straight({.lr = 0.1});
  straight.train(0, 6);
  for (const bool evaluates : {false, true}) {
    AdamW first({.lr = 0.1});
    first.train(0, 3);
    if (evaluates) first.optimizer.use_evaluation_point();
    const StateTree saved = deep_copy(first.optimizer.state());
    AdamW second({.lr = 0.1});
    second.w.copy_(first.w);
    second.optimizer.load_state(saved);
    EXPECT_EQ(second.optimizer.is_at_evaluation_point(), evaluates);
    second.optimizer.use_training_point();
    second.train(3, 6);
    EXPECT_TRUE(at::equal(second.w, straight.w)) << evaluates;
  }
}

TEST(ScheduleFreeTest, ForgetsAnEvaluationPointWhenItLoadsATrainingOne) {
  AdamW saved;
  saved.train(0, 2);
  AdamW other;
  other.train(0, 4);
  other.optimizer.use_evaluation_point();
  other.optimizer.load_state(deep_copy(saved.optimizer.state()));
  EXPECT_FALSE(other.optimizer.is_at_evaluation_point());
  other.w.copy_(saved.w);
  saved.train(2, 4);
  other.train(2, 4);
  EXPECT_TRUE(at::equal(saved.w, other.w));
}

// An lr of 0 in the first update, as every warm-up of a schedule has, leaves weights
// where they are, and nothing is divided by zero.
TEST(ScheduleFreeTest, ToleratesAnLrOfZero) {
  for (const auto form : {ScheduleFreeForm::kOfficial, ScheduleFreeForm::kKempner,
                          ScheduleFreeForm::kKeras}) {
    AdamW trainee({.lr = 0.1, .form = form});
    const at::Tensor before = trainee.w.clone();
    trainee.optimizer.set_lr_factor(0.0);
    trainee.train(0, 1);
    expect_near(trainee.w, before, 1e-6);
    trainee.optimizer.set_lr_factor(1.0);
    trainee.train(1, 3);
    EXPECT_TRUE(trainee.w.isfinite().all().item<bool>());
    EXPECT_FALSE(at::allclose(trainee.w, before));
  }
}

TEST(ScheduleFreeTest, WarmUpScalesTheFirstSteps) {
  const auto first_step = [](int64_t warmup) {
    const at::Tensor w = number(0.0);
    w.mutable_grad() = number(2.0);
    ScheduleFreeAdamW adamw(group_of(
        {whole("w", w)}, ScheduleFreeAdamWOptions{.lr = 0.1, .warmup_steps = warmup}));
    adamw.step();
    return -w.item<double>();
  };
  EXPECT_NEAR(first_step(0), 0.1, 1e-8);
  EXPECT_NEAR(first_step(10), 0.01, 1e-9);
}

TEST(ScheduleFreeTest, NamesWhatIsOutOfRange) {
  const auto problem = [](const ScheduleFreeAdamWOptions& options) {
    return message_of<ConfigError>([&] { options.validate(); });
  };
  expect_contains(problem({.beta1 = 0.0}), "schedule_free_adamw: beta1 is 0; allowed");
  expect_contains(problem({.beta2 = 1.0}), "beta2 is 1");
  expect_contains(problem({.warmup_steps = -1}), "warmup_steps is -1");
  expect_contains(problem({.r = 1.0, .form = ScheduleFreeForm::kKempner}), "r is 1");
  expect_contains(problem({.rules = {.decay_order = DecayOrder::kAfter}}),
                  "decay_order is 'after'; allowed: before");
  expect_contains(message_of<ConfigError>(
                      [] { ScheduleFreeSgdOptions{.momentum = 1.0}.validate(); }),
                  "schedule_free_sgd: momentum is 1");
}

}  // namespace
}  // namespace shardopt::optim
