#include "shardopt/optim/schedule_free_options.h"

#include "common_options.h"
#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

constexpr Range kShare{.min = 0.0, .max = 1.0, .min_open = true, .max_open = true};

void check_order(std::string_view owner, const UpdateRules& rules) {
  if (rules.decay_order == DecayOrder::kBefore) return;
  SHARDOPT_THROW(
      ConfigError, owner,
      ": decay_order is 'after'; allowed: before, since Schedule-Free decays "
      "at a place of its own");
}

template <typename Options>
void append_average(Options& options, std::vector<Option>& list) {
  list.push_back(make_option(
      "warmup_steps", options.warmup_steps, kNonNegative,
      "Updates over which the lr rises, beside any schedule of lr; the first has "
      "1 / warmup_steps of it."));
  list.push_back(make_option("r", options.r, kNonNegative,
                             "Power of the update's number in its weight in the "
                             "average."));
  list.push_back(make_option("weight_lr_power", options.weight_lr_power, kNonNegative,
                             "Power of the largest lr so far in that weight."));
}

}  // namespace

void ScheduleFreeAdamWOptions::validate() const {
  check_all("schedule_free_adamw", *this);
  check_order("schedule_free_adamw", rules);
  if (form == ScheduleFreeForm::kOfficial) return;
  const ScheduleFreeAdamWOptions defaults;
  if (r == defaults.r && weight_lr_power == defaults.weight_lr_power) return;
  SHARDOPT_THROW(ConfigError, "schedule_free_adamw: r is ", r, " and weight_lr_power ",
                 weight_lr_power, "; allowed: ", defaults.r, " and ",
                 defaults.weight_lr_power, " unless form is official");
}

void ScheduleFreeSgdOptions::validate() const {
  check_all("schedule_free_sgd", *this);
  check_order("schedule_free_sgd", rules);
}

std::vector<Option> options_of(ScheduleFreeAdamWOptions& options) {
  std::vector<Option> list = {
      make_option("beta1", options.beta1, kShare,
                  "Share of the average in the weights that train."),
      make_option("beta2", options.beta2, kFraction,
                  "Decay of the mean of squared gradients, per step."),
      make_option("eps", options.eps, kPositive,
                  "Added to the root of the mean square, in units of the gradient."),
      make_choice(
          "form", options.form,
          {{"official", ScheduleFreeForm::kOfficial},
           {"kempner", ScheduleFreeForm::kKempner},
           {"keras", ScheduleFreeForm::kKeras}},
          "official: weights update^r x (largest lr)^power, decay within the "
          "step; kempner: weights lr, decay of z after it; keras: a plain mean, "
          "decay of the weights before it."),
  };
  append_average(options, list);
  return list;
}

std::vector<Option> options_of(ScheduleFreeSgdOptions& options) {
  std::vector<Option> list = {
      make_option("momentum", options.momentum, kShare,
                  "Share of the average in the weights that train."),
  };
  append_average(options, list);
  return list;
}

}  // namespace shardopt::optim
