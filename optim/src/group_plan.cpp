#include "group_plan.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <regex>
#include <set>
#include <utility>

#include "name_rules.h"
#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

constexpr char kDecay[] = "decay";
constexpr char kNoDecay[] = "no_decay";

bool decays_by_rule(const Parameter& parameter, const OptimizerConfig& config) {
  if (config.decay == DecayRule::kAll) return true;
  if (dimensions(parameter) < 2 || has_bias_name(parameter)) return false;
  return config.decay_embeddings || !is_embedding(parameter);
}

// Decides which parameters decay; finds out whether its pattern is of use.
class DecayDecision {
 public:
  explicit DecayDecision(const OptimizerConfig& config)
      : config_(config),
        excluded_("optimizer.exclude_from_weight_decay",
                  config.exclude_from_weight_decay) {}

  [[nodiscard]] bool decays(const Parameter& parameter) {
    return !excluded_.finds(parameter) && decays_by_rule(parameter, config_);
  }

  // One whose decay is decided by its group.
  void note(const Parameter& parameter) { (void)excluded_.finds(parameter); }

  void check_none_idle() const {
    if (excluded_.is_idle()) excluded_.fail_as_idle();
  }

 private:
  const OptimizerConfig& config_;
  NamePattern excluded_;
};

// Two groups, by whether parameters decay.
std::vector<GroupRequest> split_by_decay(const std::string& prefix,
                                         std::vector<Parameter> parameters,
                                         std::optional<double> lr,
                                         DecayDecision& decision) {
  GroupRequest with{.name = prefix + kDecay, .parameters = {}, .lr = lr};
  GroupRequest without{
      .name = prefix + kNoDecay, .parameters = {}, .lr = lr, .weight_decay = 0.0};
  for (Parameter& parameter : parameters) {
    GroupRequest& target = decision.decays(parameter) ? with : without;
    target.parameters.push_back(std::move(parameter));
  }
  return {std::move(with), std::move(without)};
}

// Rules with their patterns compiled, and what they have taken.
class RuleMatcher {
 public:
  explicit RuleMatcher(const std::vector<GroupRule>& rules) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
      const std::string field = rule_field(i);
      GroupRule copy = rules[i];
      check_options(field, options_of(copy));
      if (copy.pattern.empty()) SHARDOPT_THROW(ConfigError, field, ".pattern is empty");
      patterns_.push_back(compile_pattern(field + ".pattern", copy.pattern));
    }
    taken_.resize(rules.size());
    matched_.resize(rules.size());
  }

  // Gives `parameter` to the first rule that finds it, or to `others`.
  void sort(Parameter parameter, std::vector<Parameter>& others) {
    std::vector<Parameter>* target = nullptr;
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      if (!std::regex_search(parameter.name, patterns_[i])) continue;
      ++matched_[i];
      if (target == nullptr) target = &taken_[i];
    }
    (target == nullptr ? others : *target).push_back(std::move(parameter));
  }

  // Throws ConfigError for a rule that took nothing.
  void check_none_idle(const std::vector<GroupRule>& rules) const {
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (!taken_[i].empty()) continue;
      SHARDOPT_THROW(ConfigError, rule_field(i), ".pattern '", rules[i].pattern,
                     matched_[i] == 0 ? "' matches no parameter"
                                      : "' matches only what earlier groups took");
    }
  }

  [[nodiscard]] std::vector<Parameter>& taken(std::size_t rule) { return taken_[rule]; }

 private:
  std::vector<std::regex> patterns_;  // by rule, as below
  std::vector<std::vector<Parameter>> taken_;
  std::vector<int64_t> matched_;
};

std::vector<GroupRequest> groups_of_rule(const GroupRule& rule, std::size_t index,
                                         std::vector<Parameter> parameters,
                                         DecayDecision& decision) {
  const std::string name =
      rule.name.empty() ? "group" + std::to_string(index) : rule.name;
  if (rule.weight_decay) {
    for (const Parameter& parameter : parameters) decision.note(parameter);
    return {{name, std::move(parameters), rule.lr, rule.weight_decay}};
  }
  std::vector<GroupRequest> halves =
      split_by_decay(name + ".", std::move(parameters), rule.lr, decision);
  std::erase_if(halves, [](const auto& half) { return half.parameters.empty(); });
  return halves;
}

// The plan of `algorithm`, appended if there is none yet.
AlgorithmPlan& plan_of(std::vector<AlgorithmPlan>& plans,
                       const std::string& algorithm) {
  const auto it = std::ranges::find(plans, algorithm, &AlgorithmPlan::algorithm);
  if (it != plans.end()) return *it;
  return plans.emplace_back(AlgorithmPlan{algorithm, {}});
}

// Names of groups are names of parts in checkpoints.
void check_name(const GroupRequest& group) {
  if (group.name.find('/') == std::string::npos) return;
  SHARDOPT_THROW(ConfigError, "optimizer.group.name '", group.name,
                 "' is not allowed: it holds '/'");
}

void check_names_differ(const std::vector<AlgorithmPlan>& plans) {
  std::set<std::string> names;
  for (const AlgorithmPlan& plan : plans) {
    for (const GroupRequest& group : plan.groups) {
      check_name(group);
      if (names.insert(group.name).second) continue;
      SHARDOPT_THROW(ConfigError, "optimizer.group: two groups are named '", group.name,
                     "'");
    }
  }
}

}  // namespace

std::string rule_field(std::size_t index) {
  return "optimizer.group[" + std::to_string(index) + "]";
}

GroupPlan plan_groups(std::vector<Parameter> parameters,
                      const OptimizerConfig& config) {
  RuleMatcher matcher(config.groups);
  DecayDecision decision(config);
  GroupPlan result;
  NamePattern overwritten("optimizer.overwrite_with_gradient",
                          config.overwrite_with_gradient);
  std::vector<Parameter> others;
  for (Parameter& parameter : parameters) {
    if (overwritten.finds(parameter)) {
      result.overwritten.push_back(std::move(parameter));
    } else {
      matcher.sort(std::move(parameter), others);
    }
  }
  if (overwritten.is_idle()) overwritten.fail_as_idle();
  matcher.check_none_idle(config.groups);

  std::vector<AlgorithmPlan>& plans = result.algorithms;
  plans.push_back(
      {config.name, split_by_decay("", std::move(others), std::nullopt, decision)});
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    const GroupRule& rule = config.groups[i];
    const std::string& algorithm =
        rule.algorithm.empty() ? config.name : rule.algorithm;
    auto groups = groups_of_rule(rule, i, std::move(matcher.taken(i)), decision);
    auto& target = plan_of(plans, algorithm).groups;
    std::ranges::move(groups, std::back_inserter(target));
  }
  decision.check_none_idle();
  check_names_differ(plans);
  return result;
}

}  // namespace shardopt::optim
