#include "shardopt/optim/muon_presets.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/core/error.h"
#include "shardopt/optim/algorithm_table.h"
#include "shardopt/optim/build_optimizer.h"

namespace shardopt::optim {
namespace {

OptimizerConfig preset(const std::string& name) {
  OptimizerConfig config;
  apply_preset(name, config);
  return config;
}

TEST(MuonPresetsTest, EachBuildsAnOptimizer) {
  const distributed::Mesh mesh = distributed::make_single_mesh();
  for (const std::string& name : muon_preset_names()) {
    SCOPED_TRACE(name);
    const OptimizerConfig config = preset(name);
    EXPECT_EQ(config.muon_preset, name);
    const at::Tensor w = at::ones({2, 3});
    const at::Tensor v = at::ones({3});
    const auto optimizer =
        build_optimizer({whole("w", w), whole("v", v)}, config, mesh);
    w.mutable_grad() = at::arange(6.0).sin().view({2, 3});
    v.mutable_grad() = at::ones({3});
    optimizer->step();
    EXPECT_FALSE(at::equal(w, at::ones({2, 3})));
    EXPECT_FALSE(at::equal(v, at::ones({3})));
    EXPECT_FALSE(find_muon_preset(name).source.empty());
  }
}

TEST(MuonPresetsTest, HoldTheirSystemsValues) {
  const OptimizerConfig seed = preset("keras_seed");
  EXPECT_EQ(seed.lr, 1e-3);
  EXPECT_EQ(seed.weight_decay, 0.1);
  EXPECT_EQ(seed.decay, DecayRule::kAll);
  EXPECT_EQ(seed.muon.steps, 6);
  EXPECT_EQ(seed.muon.max_dimensions, 3);
  EXPECT_EQ(seed.muon.adamw.ratio, 0.1);
  EXPECT_EQ(seed.muon.decay_lr, DecayLr::kFull);
  const OptimizerConfig addon = preset("keras_addon");
  EXPECT_TRUE(addon.rules.caution);
  EXPECT_EQ(addon.rules.decay_order, DecayOrder::kAfter);
  EXPECT_EQ(addon.muon.internal, Internal::kNadamW);
  const OptimizerConfig express = preset("polar_express");
  EXPECT_EQ(express.muon.coefficients, "polar_express5");
  EXPECT_EQ(express.muon.ns_eps, 0.0);
  EXPECT_EQ(express.muon.adamw.lr, 3e-4);
  EXPECT_EQ(preset("adaptive").muon.adaptive, Adaptive::kDual);
  EXPECT_TRUE(addon.muon.exclude_biases);
  EXPECT_FALSE(preset("kempner").muon.exclude_biases);
  EXPECT_EQ(preset("jordan").muon.nadamw.eps, 1e-10);
  EXPECT_EQ(preset("jordan").muon.lion.lr, 3e-4);
  EXPECT_EQ(addon.muon.adamw.beta2, 0.995);
  EXPECT_EQ(addon.muon.lion.beta2, MuonLionOptions{}.beta2);
}

// Of both classes: Muon's own lr scales decay of what the internal optimizer trains.
TEST(MuonPresetsTest, FullDecayLrIsMuons) {
  OptimizerConfig config = preset("keras_seed");
  config.lr = 0.5;
  config.weight_decay = 0.5;
  const at::Tensor v = at::ones({1}, at::kDouble);
  const distributed::Mesh mesh = distributed::make_single_mesh();
  const auto optimizer = build_optimizer({whole("v", v)}, config, mesh);
  optimizer->set_lr_factor(0.5);
  v.mutable_grad() = at::ones({1}, at::kDouble);
  optimizer->step();  // decay 0.25 * 0.5, step 0.25 * 0.1
  EXPECT_NEAR(v.item<double>(), 1.0 - 0.125 - 0.025, 1e-6);
}

TEST(MuonPresetsTest, NamesTheKnownForAnUnknown) {
  const std::string message = message_of<ConfigError>([] { (void)preset("jordn"); });
  expect_contains(message, "unknown preset 'jordn' of muon; known: adaptive, jordan");
  expect_contains(message, "did you mean 'jordan'?");
}

TEST(AlgorithmTableTest, HasEveryOptimizerOnce) {
  std::vector<std::string> names;
  for (const AlgorithmInfo& info : algorithm_table()) names.push_back(info.name);
  EXPECT_EQ(names, make_optimizer_registry().names());
}

}  // namespace
}  // namespace shardopt::optim
