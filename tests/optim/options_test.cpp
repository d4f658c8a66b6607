#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/core/error.h"
#include "shardopt/optim/adam.h"
#include "shardopt/optim/lion.h"
#include "shardopt/optim/muon.h"
#include "shardopt/optim/optimizer_config.h"
#include "shardopt/optim/schedule_options.h"

namespace shardopt::optim {
namespace {

template <typename Options>
void expect_described(const char* owner) {
  Options options;
  for (const Option& option : options_of(options)) {
    EXPECT_FALSE(option.help.empty()) << owner << "." << option.name;
    EXPECT_EQ(option.help.back(), '.') << owner << "." << option.name;
    EXPECT_EQ(option.problem(option.get()), "") << owner << "." << option.name;
  }
}

TEST(OptionsTest, EveryOptionHasHelpAndAnAllowedDefault) {
  expect_described<AdamOptions>("adam");
  expect_described<LionOptions>("lion");
  expect_described<MuonOptions>("muon");
  expect_described<MuonAdamOptions>("muon.adamw");
  expect_described<OptimizerConfig>("optimizer");
  expect_described<GroupRule>("group");
  expect_described<ScheduleOptions>("schedule");
}

template <typename Options>
std::string problem(const Options& options) {
  return message_of<ConfigError>([&] { options.validate(); });
}

TEST(OptionsTest, AdamWNamesWhatIsOutOfRange) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  expect_contains(problem(AdamOptions{.lr = -1.0}), "adam: lr is -1; allowed: >= 0");
  expect_contains(problem(AdamOptions{.lr = nan}), "adam: lr is nan");
  expect_contains(problem(AdamOptions{.weight_decay = -0.5}), "weight_decay is -0.5");
  expect_contains(problem(AdamOptions{.beta1 = 1.0}), "beta1 is 1; allowed: [0, 1)");
  expect_contains(problem(AdamOptions{.beta2 = -0.1}), "beta2 is -0.1");
  expect_contains(problem(AdamOptions{.eps = 0.0}), "eps is 0; allowed: > 0");
  EXPECT_EQ(problem(AdamOptions{}), "");
}

TEST(OptionsTest, LionNamesWhatIsOutOfRange) {
  expect_contains(problem(LionOptions{.lr = -1.0}), "lion: lr is -1; allowed: >= 0");
  expect_contains(problem(LionOptions{.weight_decay = -0.5}), "weight_decay is -0.5");
  expect_contains(problem(LionOptions{.beta1 = 1.0}), "beta1 is 1; allowed: [0, 1)");
  expect_contains(problem(LionOptions{.beta2 = 1.5}), "beta2 is 1.5");
  EXPECT_EQ(problem(LionOptions{}), "");
}

TEST(OptionsTest, MuonNamesWhatIsOutOfRange) {
  expect_contains(problem(MuonOptions{.lr = -1.0}), "muon: lr is -1; allowed: >= 0");
  expect_contains(problem(MuonOptions{.weight_decay = -0.5}), "weight_decay is -0.5");
  expect_contains(problem(MuonOptions{.momentum = 1.0}), "momentum is 1");
  expect_contains(problem(MuonOptions{.steps = 0}), "steps is 0; allowed: [1, 100]");
  expect_contains(problem(MuonOptions{.ns_eps = -1e-7}), "ns_eps is -1e-07");
  expect_contains(problem(MuonOptions{.rms = 0.0}), "rms is 0; allowed: > 0");
  expect_contains(problem(MuonOptions{.max_aspect = 0.5}), "max_aspect is 0.5");
  expect_contains(problem(MuonOptions{.exclude = "("}),
                  "optimizer.muon.exclude '(' is not a regular expression");
  expect_contains(problem(MuonOptions{.adamw = {.lr = -0.1}}),
                  "muon.adamw: lr is -0.1; allowed: >= 0");
  expect_contains(problem(MuonOptions{.adamw = {.weight_decay = -0.1}}),
                  "muon.adamw: weight_decay");
  expect_contains(problem(MuonOptions{.adamw = {.beta1 = 1.0}}), "muon.adamw: beta1");
  expect_contains(problem(MuonOptions{.adamw = {.beta2 = 1.0}}), "muon.adamw: beta2");
  expect_contains(problem(MuonOptions{.adamw = {.eps = 0.0}}), "muon.adamw: eps");
  EXPECT_EQ(problem(MuonOptions{}), "");
}

TEST(OptionsTest, ConstructorsRefuseWhatIsOutOfRange) {
  EXPECT_THROW(Adam(group_of({}, AdamOptions{.lr = -1.0})), ConfigError);
  EXPECT_THROW(Lion(group_of({}, LionOptions{.lr = -1.0})), ConfigError);
  EXPECT_THROW(Muon(group_of({}, MuonOptions{.lr = -1.0})), ConfigError);
}

}  // namespace
}  // namespace shardopt::optim
