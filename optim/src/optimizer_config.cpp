#include "shardopt/optim/optimizer_config.h"

namespace shardopt::optim {
namespace {

// "adam 0.001, adamw 0.001, ...".
template <typename Get>
std::string defaults_of(const Get& get) {
  const OptimizerConfig config;
  std::string text;
  const auto add = [&](const char* name, const auto& options) {
    text += (text.empty() ? "" : ", ") + (name + (" " + to_string(get(options))));
  };
  add("adam", config.adam);
  add("adamw", config.adamw);
  add("dual_scaled_adam", config.dual_scaled_adam);
  add("lion", config.lion);
  add("muon", config.muon);
  add("nadam", config.nadam);
  add("nadamw", config.nadamw);
  add("schedule_free_adamw", config.schedule_free_adamw);
  add("schedule_free_sgd", config.schedule_free_sgd);
  add("sgd", config.sgd);
  return text;
}

}  // namespace

std::vector<Option> options_of(OptimizerConfig& options) {
  std::vector<Option> list = {
      make_option(
          "name", options.name,
          "The algorithm: one of --list-optimizers, or one that was registered."),
      make_option("lr", options.lr, kNonNegative,
                  "Learning rate, which the schedule scales; unset: the algorithm's "
                  "default (" +
                      defaults_of([](const auto& o) { return o.lr; }) + ")."),
      make_option("weight_decay", options.weight_decay, kNonNegative,
                  "Weights shrink by lr x weight_decay in each step; unset: the "
                  "algorithm's default (" +
                      defaults_of([](const auto& o) { return o.weight_decay; }) + ")."),
      make_choice("decay", options.decay,
                  {{"matrices", DecayRule::kMatrices}, {"all", DecayRule::kAll}},
                  "Which parameters decay: those of two dimensions or more without "
                  "'bias' in the name, or all."),
      make_option("decay_embeddings", options.decay_embeddings,
                  "Under decay matrices, embeddings (by role or by 'embedding' in the "
                  "name) decay as well."),
      make_option(
          "exclude_from_weight_decay", options.exclude_from_weight_decay,
          "Regular expression; parameters whose full names it is found in do not "
          "decay, unless a group of their own says so; empty: none."),
      make_option(
          "overwrite_with_gradient", options.overwrite_with_gradient,
          "Regular expression; parameters whose full names it is found in become "
          "their gradients in each update (fp8 scales); empty: none."),
      make_choice(
          "missing_gradient", options.missing_gradient,
          {{"skip", MissingGradient::kSkip}, {"zero", MissingGradient::kZero}},
          "A parameter without a gradient is left as it is, or treated as if its "
          "gradient were zero."),
  };
  for (Option& rule : options_of(options.rules)) list.push_back(std::move(rule));
  return list;
}

std::vector<Option> options_of(GroupRule& options) {
  return {
      make_option("name", options.name,
                  "Name of the group in logs and states; empty: group0, group1, ... by "
                  "position."),
      make_option("pattern", options.pattern,
                  "Regular expression; parameters whose full names it is found in, and "
                  "no earlier group took, are the group's."),
      make_option(
          "lr", options.lr, kNonNegative,
          "lr of the group; unset: the optimizer's lr, and if that is unset the "
          "default of the group's algorithm."),
      make_option(
          "weight_decay", options.weight_decay, kNonNegative,
          "Weight decay of all the group's parameters; unset: as everywhere, for "
          "those that decay."),
      make_option("algorithm", options.algorithm,
                  "Algorithm of the group, e.g. adamw beside muon; empty: the "
                  "optimizer's."),
  };
}

}  // namespace shardopt::optim
