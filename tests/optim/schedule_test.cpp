#include "shardopt/optim/schedule.h"

#include <cmath>

#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/core/error.h"
#include "shardopt/optim/lion.h"
#include "shardopt/optim/muon.h"

namespace shardopt::optim {
namespace {

// Factors of updates 0, 1, ... to the last ulps of cos, sqrt and pow.
void expect_factors(const ScheduleOptions& options, int64_t total_steps,
                    const std::vector<double>& expected) {
  const Schedule schedule = make_schedule(options, total_steps);
  for (std::size_t step = 0; step < expected.size(); ++step) {
    EXPECT_NEAR(schedule(static_cast<int64_t>(step)), expected[step], 1e-15)
        << options.name << " at step " << step;
  }
}

TEST(ScheduleTest, ConstantRisesAndStays) {
  expect_factors({.name = "constant", .warmup_steps = 4}, 6,
                 {0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0});
}

TEST(ScheduleTest, NoneIsOneFromTheStart) {
  expect_factors({.name = "none", .warmup_steps = 4}, 6, {1.0, 1.0, 1.0});
}

// Progress 0, 1/4, ... : r + (1 - r) (1 + cos(pi p)) / 2, cos(pi / 4) = sqrt(1 / 2).
TEST(ScheduleTest, CosineFallsToItsFloorAndStays) {
  const double high = 0.2 + 0.4 * (1.0 + std::sqrt(0.5));
  const double low = 0.2 + 0.4 * (1.0 - std::sqrt(0.5));
  expect_factors({.name = "cosine", .warmup_steps = 2, .min_lr_ratio = 0.2}, 6,
                 {0.0, 0.5, 1.0, high, 0.6, low, 0.2, 0.2});
}

TEST(ScheduleTest, LinearFallsOverDecayStepsWhereGiven) {
  expect_factors({.name = "linear", .min_lr_ratio = 0.5}, 4,
                 {1.0, 0.875, 0.75, 0.625, 0.5, 0.5});
  expect_factors({.name = "linear", .decay_steps = 2, .min_lr_ratio = 0.5}, 4,
                 {1.0, 0.75, 0.5, 0.5});
}

TEST(ScheduleTest, WsdHoldsThenDecaysInItsShape) {
  const ScheduleOptions base{
      .name = "wsd", .warmup_steps = 1, .stable_steps = 2, .min_lr_ratio = 0.2};
  ScheduleOptions linear = base;
  linear.wsd_decay = DecayShape::kLinear;
  ScheduleOptions root = base;
  root.wsd_decay = DecayShape::kSqrt;
  expect_factors(base, 5, {0.0, 1.0, 1.0, 1.0, 0.6, 0.2, 0.2});
  expect_factors(linear, 7, {0.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2});
  expect_factors(root, 7,
                 {0.0, 1.0, 1.0, 1.0, 0.2 + 0.8 * std::sqrt(0.75),
                  0.2 + 0.8 * std::sqrt(0.5), 0.6, 0.2});
}

// alpha 2 gives 0.25 half way.
TEST(ScheduleTest, RexFallsByItsExponentToItsFloor) {
  expect_factors({.name = "rex", .min_lr_ratio = 0.1, .rex_alpha = 2.0}, 4,
                 {1.0, 0.5625, 0.25, 0.1, 0.1, 0.1});
  expect_factors({.name = "rex", .min_lr_ratio = 0.0}, 2, {1.0, 0.5, 0.0});
}

TEST(ScheduleTest, NothingLeftToDecayStaysAtOne) {
  for (const char* name : {"cosine", "linear", "wsd"}) {
    expect_factors({.name = name, .warmup_steps = 2}, 2, {0.0, 0.5, 1.0, 1.0});
  }
  // Rex decays over one step at least.
  expect_factors({.name = "rex", .warmup_steps = 2}, 2, {0.0, 0.5, 1.0, 0.1});
  expect_factors({.name = "wsd", .stable_steps = 9}, 4, {1.0, 1.0, 1.0, 1.0});
}

TEST(ScheduleTest, NamesWhatIsWrong) {
  const auto error = [](const ScheduleOptions& options) {
    return message_of<ConfigError>([&] { (void)make_schedule(options, 10); });
  };
  expect_contains(error({.name = "cosin"}),
                  "schedule: name is 'cosin'; allowed: constant | cosine | linear | "
                  "none | rex | wsd; did you mean 'cosine'?");
  expect_contains(error({.warmup_steps = 11}),
                  "warmup_steps is 11; allowed: <= 10, the steps of the run");
  EXPECT_NO_THROW((void)make_schedule({.warmup_steps = 11}, 0));  // nothing to warm
  EXPECT_NO_THROW((void)make_schedule({.name = "none", .warmup_steps = 11}, 10));
  expect_contains(error({.warmup_steps = -1}), "warmup_steps is -1; allowed: >= 0");
  expect_contains(error({.decay_steps = -1}), "decay_steps is -1");
  expect_contains(error({.stable_steps = -1}), "stable_steps is -1");
  expect_contains(error({.min_lr_ratio = 1.5}), "min_lr_ratio is 1.5; allowed: [0, 1]");
  expect_contains(error({.rex_alpha = 0.0}), "rex_alpha is 0; allowed: > 0");
}

TEST(ScheduleDriverTest, SetsTheFactorOfTheComingUpdateEverywhere) {
  Muon muon(group_of({ones("w")}, MuonOptions{.lr = 0.5}));
  ScheduleDriver driver(muon, [](int64_t step) { return 1.0 / (1.0 + step); });
  EXPECT_EQ(muon.groups()[0].lr, 0.5);
  driver.advance();
  EXPECT_EQ(driver.step(), 1);
  EXPECT_EQ(driver.factor(), 0.5);
  EXPECT_EQ(muon.groups()[0].lr, 0.25);
  EXPECT_EQ(muon.groups()[1].name, "adamw/all");
  EXPECT_EQ(muon.groups()[1].lr, 0.25);
}

// Update 0 of a warm-up moves state, not weights.
TEST(ScheduleDriverTest, FirstUpdateOfWarmupMovesStateOnly) {
  const Parameter w = ones("w");
  w.rows.mutable_grad() = at::ones({2, 3}, at::kDouble);
  Lion lion(group_of({w}, LionOptions{.lr = 0.5, .weight_decay = 0.5}));
  const ScheduleDriver driver(
      lion, make_schedule({.name = "constant", .warmup_steps = 2}, 10));
  lion.step();
  expect_near(w.rows, at::ones({2, 3}, at::kDouble), 0.0);
  const StateTree state = lion.state().child("parameters").child("w");
  EXPECT_GT(state.tensors.at("momentum").tensor.min().item<double>(), 0.0);
}

TEST(ScheduleDriverTest, GoesOnWhereItsStateSays) {
  const Schedule schedule = [](int64_t step) { return 1.0 / (1.0 + step); };
  Lion lion(group_of({ones("w")}, LionOptions{.lr = 1.0}));
  ScheduleDriver saved(lion, schedule);
  saved.advance();
  saved.advance();
  ScheduleDriver driver(lion, schedule);
  driver.load_state(saved.state());
  EXPECT_EQ(driver.step(), 2);
  EXPECT_EQ(lion.groups()[0].lr, schedule(2));
}

TEST(ScheduleDriverTest, RefusesStatesThatAreNotASchedules) {
  Lion lion({});
  ScheduleDriver driver(lion, [](int64_t) { return 1.0; });
  driver.advance();
  EXPECT_THROW(driver.load_state(lion.state()), CheckpointError);
  StateTree newer = driver.state();
  newer.version = 2;
  EXPECT_THROW(driver.load_state(newer), CheckpointError);
  EXPECT_THROW(driver.load_state({.kind = "schedule"}), CheckpointError);
  EXPECT_EQ(driver.step(), 1);
}

}  // namespace
}  // namespace shardopt::optim
