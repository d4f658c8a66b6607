#include "shardopt/optim/loss_scale.h"

#include <cmath>
#include <limits>

#include "optim/transform_testing.h"
#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

LossScaleOptions dynamic(int64_t growth_steps, double scale) {
  return {
      .mode = LossScaleMode::kDynamic, .scale = scale, .growth_steps = growth_steps};
}

TEST(LossScaleTest, IsOneWithoutAMode) {
  LossScale scale{LossScaleOptions{}};
  EXPECT_FALSE(scale.is_active());
  scale.skipped();
  scale.good_update();
  EXPECT_EQ(scale.scale(), 1.0);
}

TEST(LossScaleTest, StaticStays) {
  LossScale scale({.mode = LossScaleMode::kStatic, .scale = 100.0});
  EXPECT_TRUE(scale.is_active());
  for (int i = 0; i < 3000; ++i) scale.good_update();
  scale.skipped();
  EXPECT_EQ(scale.scale(), 100.0);
}

TEST(LossScaleTest, DynamicStartsAt32768AndDoublesAfter2000GoodUpdates) {
  LossScale scale({.mode = LossScaleMode::kDynamic});
  EXPECT_EQ(scale.scale(), 32768.0);
  for (int i = 0; i < 1999; ++i) scale.good_update();
  EXPECT_EQ(scale.scale(), 32768.0);
  scale.good_update();
  EXPECT_EQ(scale.scale(), 65536.0);
  for (int i = 0; i < 1999; ++i) scale.good_update();
  EXPECT_EQ(scale.scale(), 65536.0);
}

TEST(LossScaleTest, SkipHalvesAndStartsCountingAgain) {
  LossScale scale(dynamic(2, 8.0));
  scale.good_update();
  scale.skipped();
  EXPECT_EQ(scale.scale(), 4.0);
  scale.good_update();
  EXPECT_EQ(scale.scale(), 4.0);
  scale.good_update();
  EXPECT_EQ(scale.scale(), 8.0);
}

TEST(LossScaleTest, FactorsAreTheOptions) {
  LossScale scale({.mode = LossScaleMode::kDynamic,
                   .scale = 10.0,
                   .growth_steps = 1,
                   .growth_factor = 3.0,
                   .backoff_factor = 0.25});
  scale.good_update();
  EXPECT_EQ(scale.scale(), 30.0);
  scale.skipped();
  EXPECT_EQ(scale.scale(), 7.5);
}

TEST(LossScaleTest, NeverBecomesZeroOrInfinite) {
  LossScale falling(dynamic(1, 8.0));
  for (int i = 0; i < 3000; ++i) falling.skipped();
  EXPECT_EQ(falling.scale(), 0x1p-126);
  LossScale growing(dynamic(1, 8.0));
  for (int i = 0; i < 3000; ++i) growing.good_update();
  EXPECT_EQ(growing.scale(), 0x1p127);
  LossScaleOptions options = dynamic(1, 8.0);
  options.min_scale = 3.0;
  LossScale bounded(options);
  bounded.skipped();
  bounded.skipped();
  EXPECT_EQ(bounded.scale(), 3.0);
}

TEST(LossScaleTest, CanFallUntilItIsAtItsLeast) {
  LossScale scale(dynamic(1, 0x1p-125));
  EXPECT_TRUE(scale.can_fall());
  scale.skipped();
  EXPECT_FALSE(scale.can_fall());
  EXPECT_FALSE(LossScale({.mode = LossScaleMode::kStatic, .scale = 8.0}).can_fall());
  EXPECT_FALSE(LossScale(LossScaleOptions{}).can_fall());
}

TEST(LossScaleTest, SaveLoadContinueEqualsNeverStopping) {
  LossScale straight(dynamic(3, 8.0));
  LossScale first(dynamic(3, 8.0));
  for (LossScale* each : {&straight, &first}) {
    each->skipped();
    each->good_update();
    each->good_update();
  }
  LossScale second(dynamic(3, 8.0));
  second.load_state(first.state());
  EXPECT_EQ(second.state().values, first.state().values);
  straight.good_update();
  second.good_update();
  EXPECT_EQ(second.scale(), 8.0);
  EXPECT_EQ(second.state().values, straight.state().values);
}

std::string complaint(const StateTree& tree) {
  LossScale scale(dynamic(3, 8.0));
  const std::string text = message_of<CheckpointError>([&] { scale.load_state(tree); });
  EXPECT_EQ(scale.scale(), 8.0);
  return text;
}

TEST(LossScaleTest, StateOfAnotherModeOrOfScalesThatCannotBeIsRefused) {
  const LossScale fixed({.mode = LossScaleMode::kStatic, .scale = 8.0});
  expect_contains(complaint(fixed.state()), "mode is 'static', here 'dynamic'");
  expect_contains(complaint({.kind = "schedule"}), "kind is 'schedule'");
  StateTree tree = LossScale(dynamic(3, 8.0)).state();
  for (const double bad :
       {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    tree.values.at("scale") = bad;
    expect_contains(complaint(tree), "cannot be");
  }
  tree.values.at("scale") = 4.0;
  tree.values.at("good_updates") = int64_t{-1};
  expect_contains(complaint(tree), "after -1 good updates cannot be");
}

std::string refusal(const LossScaleOptions& options) {
  return message_of<ConfigError>([&] { LossScale{options}; });
}

TEST(LossScaleOptionsTest, ValueOutOfRangeIsRefused) {
  LossScaleOptions options = dynamic(0, 8.0);
  EXPECT_EQ(refusal(options), "loss_scale: growth_steps is 0; allowed: >= 1");
  options = dynamic(1, 0.0);
  expect_contains(refusal(options), "loss_scale: scale is 0; allowed: [");
  options = dynamic(1, std::numeric_limits<double>::infinity());
  expect_contains(refusal(options), "loss_scale: scale is inf; allowed: [");
  options = dynamic(1, 8.0);
  options.growth_factor = 1.0;
  EXPECT_EQ(refusal(options), "loss_scale: growth_factor is 1; allowed: > 1");
  options = dynamic(1, 8.0);
  options.backoff_factor = 1.0;
  EXPECT_EQ(refusal(options), "loss_scale: backoff_factor is 1; allowed: (0, 1)");
  options.backoff_factor = 0.0;
  EXPECT_EQ(refusal(options), "loss_scale: backoff_factor is 0; allowed: (0, 1)");
  options = dynamic(1, 8.0);
  options.min_scale = 0.0;
  expect_contains(refusal(options), "loss_scale: min_scale is 0; allowed: [");
  options.min_scale = 9.0;
  EXPECT_EQ(refusal(options), "loss_scale: scale is 8; allowed: >= min_scale, 9");
}

TEST(LossScaleOptionsTest, StaticNeedsAScale) {
  expect_contains(refusal({.mode = LossScaleMode::kStatic}),
                  "loss_scale: scale is unset, but mode static needs it");
}

TEST(LossScaleOptionsTest, OptionThatTheModeDoesNotHaveIsRefused) {
  EXPECT_EQ(refusal({.scale = 8.0}),
            "loss_scale: scale is 8, but mode none has no such option");
  EXPECT_EQ(refusal({.mode = LossScaleMode::kStatic, .scale = 8.0, .growth_steps = 5}),
            "loss_scale: growth_steps is 5, but mode static has no such option");
}

}  // namespace
}  // namespace shardopt::optim
