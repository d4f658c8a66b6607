#include "shardopt/optim/build_optimizer.h"

#include <map>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "optim/optim_testing.h"
#include "shardopt/core/error.h"
#include "shardopt/optim/lion.h"

namespace shardopt::optim {
namespace {

// As in a language model: five parameters.
std::vector<Parameter> model() {
  return {whole("tok_embedding.weight", at::ones({8, 4}), ParameterRole::kEmbedding),
          whole("block.w.weight", at::ones({4, 4})),
          whole("block.w.Bias", at::ones({4, 1})), whole("norm.weight", at::ones({4})),
          whole("head.weight", at::ones({8, 4}), ParameterRole::kHead)};
}

std::unique_ptr<Optimizer> build(
    const OptimizerConfig& config,
    const OptimizerRegistry& registry = make_optimizer_registry()) {
  const distributed::Mesh mesh = distributed::make_single_mesh();
  return build_optimizer(model(), config, mesh, registry);
}

std::map<std::string, GroupSummary> groups_by_name(const OptimizerConfig& config) {
  std::map<std::string, GroupSummary> result;
  for (const GroupSummary& group : build(config)->groups()) {
    result.emplace(group.name, group);
  }
  return result;
}

TEST(BuildOptimizerTest, SplitsByDecayOfMatricesWithoutBias) {
  const auto groups = groups_by_name({.lr = 0.5, .weight_decay = 0.1});
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups.at("decay").parameters, 3);
  EXPECT_EQ(groups.at("decay").weight_decay, 0.1);
  EXPECT_EQ(groups.at("decay").algorithm, "adamw");
  EXPECT_EQ(groups.at("no_decay").parameters, 2);
  EXPECT_EQ(groups.at("no_decay").weight_decay, 0.0);
  EXPECT_EQ(groups.at("no_decay").lr, 0.5);
}

TEST(BuildOptimizerTest, DecayRuleAndEmbeddingRuleAreOptions) {
  EXPECT_EQ(groups_by_name({.decay_embeddings = false}).at("decay").parameters, 2);
  const auto all =
      groups_by_name({.decay = DecayRule::kAll, .decay_embeddings = false});
  EXPECT_EQ(all.at("decay").parameters, 5);
  EXPECT_EQ(all.at("no_decay").parameters, 0);
}

TEST(BuildOptimizerTest, TakesUnsetLrAndDecayFromTheAlgorithmsOptions) {
  OptimizerConfig config{.name = "lion"};
  config.lion = {.lr = 0.25, .weight_decay = 0.75};
  EXPECT_EQ(groups_by_name(config).at("decay").lr, 0.25);
  EXPECT_EQ(groups_by_name(config).at("decay").weight_decay, 0.75);
  config.lr = 0.125;
  config.weight_decay = 0.5;
  EXPECT_EQ(groups_by_name(config).at("decay").lr, 0.125);
  EXPECT_EQ(groups_by_name(config).at("decay").weight_decay, 0.5);
  EXPECT_EQ(groups_by_name({.name = "muon"}).at("decay").lr, 0.02);
}

TEST(BuildOptimizerTest, UserGroupsTakeWhatTheyMatchFirst) {
  OptimizerConfig config{.lr = 0.5, .weight_decay = 0.1};
  config.groups = {{.name = "block", .pattern = "^block", .lr = 0.25},
                   {.pattern = "weight$", .weight_decay = 0.3}};
  const auto groups = groups_by_name(config);
  ASSERT_EQ(groups.size(), 5U);
  EXPECT_EQ(groups.at("block.decay").parameters, 1);
  EXPECT_EQ(groups.at("block.decay").lr, 0.25);
  EXPECT_EQ(groups.at("block.decay").weight_decay, 0.1);
  EXPECT_EQ(groups.at("block.no_decay").parameters, 1);
  EXPECT_EQ(groups.at("block.no_decay").weight_decay, 0.0);
  EXPECT_EQ(groups.at("group1").parameters, 3);  // the norm too: decay is set
  EXPECT_EQ(groups.at("group1").lr, 0.5);
  EXPECT_EQ(groups.at("group1").weight_decay, 0.3);
  EXPECT_EQ(groups.at("decay").parameters, 0);
  EXPECT_EQ(groups.at("no_decay").parameters, 0);
}

TEST(BuildOptimizerTest, LeavesOutTheEmptyHalfOfAUserGroup) {
  OptimizerConfig config;
  config.groups = {{.name = "norms", .pattern = "norm"}};
  const auto groups = groups_by_name(config);
  EXPECT_TRUE(groups.contains("norms.no_decay"));
  EXPECT_FALSE(groups.contains("norms.decay"));
}

TEST(BuildOptimizerTest, GroupsWithOtherAlgorithmsAreNested) {
  OptimizerConfig config{.name = "muon"};
  config.groups = {{.name = "head", .pattern = "head", .lr = 0.5, .algorithm = "adamw"},
                   {.name = "norm", .pattern = "norm", .algorithm = "lion"},
                   {.name = "w", .pattern = "block.w.w", .algorithm = "muon"},
                   {.name = "tok", .pattern = "tok", .algorithm = "lion"}};
  const auto groups = groups_by_name(config);
  // Muon has a part "adamw" already.
  EXPECT_EQ(groups.at("adamw_groups/head.decay").algorithm, "adamw");
  EXPECT_EQ(groups.at("adamw_groups/head.decay").lr, 0.5);
  EXPECT_EQ(groups.at("lion/norm.no_decay").algorithm, "lion");
  EXPECT_EQ(groups.at("lion/norm.no_decay").lr, LionOptions{}.lr);
  EXPECT_EQ(groups.at("lion/tok.decay").parameters, 1);
  EXPECT_EQ(groups.at("w.decay").algorithm, "muon");
  EXPECT_EQ(groups.at("no_decay").parameters, 1);  // block.w.Bias is a matrix
}

TEST(BuildOptimizerTest, AGroupsOwnValuesGoBeforeThoseOfMuonsAdamW) {
  OptimizerConfig config{.name = "muon", .lr = 0.5, .weight_decay = 0.1};
  config.muon.adamw.lr = 0.125;
  config.muon.adamw.weight_decay = 0.2;
  config.groups = {{.name = "head", .pattern = "head", .lr = 0.25}};
  const auto groups = groups_by_name(config);
  EXPECT_EQ(groups.at("decay").lr, 0.5);
  EXPECT_EQ(groups.at("decay").weight_decay, 0.1);
  EXPECT_EQ(groups.at("adamw/decay").lr, 0.125);
  EXPECT_EQ(groups.at("adamw/decay").weight_decay, 0.2);
  EXPECT_EQ(groups.at("adamw/no_decay").lr, 0.125);
  EXPECT_EQ(groups.at("adamw/no_decay").weight_decay, 0.0);
  EXPECT_EQ(groups.at("adamw/head.decay").lr, 0.25);
  EXPECT_EQ(groups.at("adamw/head.decay").weight_decay, 0.2);
}

TEST(BuildOptimizerTest, TakesOptimizersThatTheUserRegisters) {
  OptimizerRegistry registry = make_optimizer_registry();
  registry.add("mine", [](std::vector<GroupRequest> requests,
                          const OptimizerConfig& config, const distributed::Mesh&) {
    LionOptions options;
    options.beta1 = std::get<double>(config.options.at("beta"));
    return std::make_unique<Lion>(resolve_groups(std::move(requests), options, config));
  });
  OptimizerConfig config{.name = "mine", .lr = 0.5};
  config.options["beta"] = 0.75;
  const auto optimizer = build(config, registry);
  const StateTree state = optimizer->state();
  const StateTree& group = state.child("groups").children.begin()->second;
  EXPECT_EQ(group.value<double>("beta1"), 0.75);

  config.name = "adamw";  // in a group it counts as well
  config.groups = {{.pattern = "head", .algorithm = "mine"}};
  EXPECT_TRUE(build(config, registry)->has_child("mine"));
}

std::string error_of(const OptimizerConfig& config) {
  return message_of<ConfigError>([&] { (void)build(config); });
}

std::string group_error(GroupRule rule) {
  OptimizerConfig config;
  config.groups = {{.name = "first", .pattern = "head"}, std::move(rule)};
  return error_of(config);
}

TEST(BuildOptimizerTest, NamesWrongAlgorithmsAndNumbers) {
  expect_contains(error_of({.name = "adamv"}),
                  "optimizer.name: unknown optimizer 'adamv'; known: adam, adamw, "
                  "dual_scaled_adam, lion, muon, nadam, nadamw, schedule_free_adamw, "
                  "schedule_free_sgd, sgd; did you mean 'adam'?");
  expect_contains(error_of({.lr = -1.0}), "optimizer: lr is -1; allowed: >= 0");
  expect_contains(error_of({.weight_decay = -1.0}), "optimizer: weight_decay is -1");
  OptimizerConfig betas;
  betas.adamw.beta1 = 1.0;
  expect_contains(error_of(betas), "adamw: beta1 is 1; allowed: [0, 1)");
}

TEST(BuildOptimizerTest, NamesWrongGroups) {
  expect_contains(group_error({}), "optimizer.group[1].pattern is empty");
  expect_contains(group_error({.pattern = "a("}),
                  "optimizer.group[1].pattern 'a(' is not a regular expression: ");
  expect_contains(group_error({.pattern = "HEAD"}),
                  "optimizer.group[1].pattern 'HEAD' matches no parameter");
  expect_contains(group_error({.pattern = "head.weight"}),
                  "'head.weight' matches only what earlier groups took");
  expect_contains(group_error({.pattern = "norm", .lr = -1.0}),
                  "optimizer.group[1]: lr is -1; allowed: >= 0");
  expect_contains(group_error({.pattern = "norm", .weight_decay = -1.0}),
                  "optimizer.group[1]: weight_decay is -1; allowed: >= 0");
  expect_contains(group_error({.pattern = "norm", .algorithm = "lino"}),
                  "optimizer.group[1].algorithm: unknown optimizer 'lino'");
  expect_contains(
      group_error({.name = "first.decay", .pattern = "norm", .weight_decay = 0.0}),
      "two groups are named 'first.decay'");
  expect_contains(
      group_error({.name = "decay", .pattern = "norm", .weight_decay = 0.0}),
      "two groups are named 'decay'");
}

TEST(BuildOptimizerTest, RefusesFreeOptionsThatNobodyReads) {
  OptimizerConfig config;
  config.options["beta3"] = 0.5;
  expect_contains(error_of(config), "optimizer.options has 'beta3'");
}

TEST(BuildOptimizerTest, BuildsForNoParametersAtAll) {
  for (const char* name : {"adamw", "lion", "muon"}) {
    const distributed::Mesh mesh = distributed::make_single_mesh();
    const auto optimizer = build_optimizer({}, {.name = name}, mesh);
    optimizer->step();
    EXPECT_EQ(optimizer->step_count(), 1);
  }
}

TEST(BuildOptimizerTest, DoesNotDecayWhatThePatternExcludes) {
  const OptimizerConfig config{.weight_decay = 0.1,
                               .exclude_from_weight_decay = "head|embedding"};
  EXPECT_EQ(groups_by_name(config).at("decay").parameter_names,
            std::vector<std::string>{"block.w.weight"});
  expect_contains(error_of({.exclude_from_weight_decay = "nobody"}),
                  "optimizer.exclude_from_weight_decay 'nobody' matches no parameter");
  expect_contains(
      error_of({.exclude_from_weight_decay = "("}),
      "optimizer.exclude_from_weight_decay '(' is not a regular expression");
}

TEST(BuildOptimizerTest, ParametersThatAreOverwrittenBecomeTheirGradients) {
  const OptimizerConfig config{.weight_decay = 0.1,
                               .overwrite_with_gradient = "norm",
                               .missing_gradient = MissingGradient::kZero};
  std::vector<Parameter> parameters = model();
  const distributed::Mesh mesh = distributed::make_single_mesh();
  const auto optimizer = build_optimizer(parameters, config, mesh);
  parameters[3].rows.mutable_grad() = at::full({4}, 7.0);
  optimizer->step();
  EXPECT_TRUE(at::equal(parameters[3].rows, at::full({4}, 7.0)));
  optimizer->zero_grad();  // Without a gradient it stays, whatever others do.
  optimizer->step();
  EXPECT_TRUE(at::equal(parameters[3].rows, at::full({4}, 7.0)));
  EXPECT_EQ(groups_by_name(config).at("overwrite/all").parameters, 1);
  EXPECT_EQ(overwritten_parameters(parameters, config).at(0).name, "norm.weight");
  expect_contains(error_of({.overwrite_with_gradient = "nobody"}),
                  "optimizer.overwrite_with_gradient 'nobody' matches no parameter");
}

}  // namespace
}  // namespace shardopt::optim
