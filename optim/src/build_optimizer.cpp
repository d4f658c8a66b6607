#include "shardopt/optim/build_optimizer.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "group_plan.h"
#include "name_rules.h"
#include "overwrite.h"
#include "shardopt/core/error.h"
#include "shardopt/core/names.h"

namespace shardopt::optim {
namespace {

void check_known(const std::string& field, const std::string& algorithm,
                 const OptimizerRegistry& registry) {
  if (registry.contains(algorithm)) return;
  const std::vector<std::string> known = registry.names();
  SHARDOPT_THROW(ConfigError, field, ": unknown optimizer '", algorithm,
                 "'; known: ", c10::Join(", ", known), did_you_mean(algorithm, known));
}

void check_algorithms(const OptimizerConfig& config,
                      const OptimizerRegistry& registry) {
  check_known("optimizer.name", config.name, registry);
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    const std::string& algorithm = config.groups[i].algorithm;
    if (algorithm.empty()) continue;
    check_known(rule_field(i) + ".algorithm", algorithm, registry);
  }
}

// Nothing but an optimizer that the user registered reads `config.options`.
void check_free_options(const OptimizerConfig& config) {
  if (config.options.empty()) return;
  const OptimizerRegistry own = make_optimizer_registry();
  const auto is_users = [&](const std::string& name) {
    return !name.empty() && !own.contains(name);
  };
  if (is_users(config.name)) return;
  if (std::ranges::any_of(config.groups, is_users, &GroupRule::algorithm)) return;
  SHARDOPT_THROW(ConfigError, "optimizer.options has '", config.options.begin()->first,
                 "', but is for optimizers that the user registered; those of '",
                 config.name, "' are optimizer.", config.name);
}

}  // namespace

std::unique_ptr<Optimizer> build_optimizer(std::vector<Parameter> parameters,
                                           const OptimizerConfig& config,
                                           const distributed::Mesh& mesh,
                                           const OptimizerRegistry& registry) {
  OptimizerConfig copy = config;
  check_options("optimizer", options_of(copy));
  check_algorithms(config, registry);
  check_free_options(config);
  auto [plans, overwritten] = plan_groups(std::move(parameters), config);
  std::unique_ptr<Optimizer> root = registry.create(
      plans.front().algorithm, std::move(plans.front().groups), config, mesh);
  for (std::size_t i = 1; i < plans.size(); ++i) {
    auto& [algorithm, groups] = plans[i];
    const std::string name =
        root->has_child(algorithm) ? algorithm + "_groups" : algorithm;
    root->add_child(name, registry.create(algorithm, std::move(groups), config, mesh));
  }
  root->set_missing_gradient(config.missing_gradient);
  // After that: without a gradient it has nothing to become.
  if (!overwritten.empty()) {
    root->add_child("overwrite", std::make_unique<Overwrite>(std::move(overwritten)));
  }
  root->set_shard_ranks(mesh.shard());
  return root;
}

std::vector<Parameter> overwritten_parameters(const std::vector<Parameter>& parameters,
                                              const OptimizerConfig& config) {
  NamePattern pattern("optimizer.overwrite_with_gradient",
                      config.overwrite_with_gradient);
  std::vector<Parameter> result;
  for (const Parameter& parameter : parameters) {
    if (pattern.finds(parameter)) result.push_back(parameter);
  }
  return result;
}

}  // namespace shardopt::optim
