#include "shardopt/optim/optimizer_config.h"

namespace shardopt::optim {

std::vector<Option> options_of(OptimizerConfig& options) {
  return {
      make_option("name", options.name,
                  "The algorithm: adamw, lion, muon, or one that was registered."),
      make_option("lr", options.lr, kNonNegative,
                  "Learning rate, which the schedule scales; unset: the algorithm's "
                  "default (adamw 0.001, lion 0.0001, muon 0.02)."),
      make_option("weight_decay", options.weight_decay, kNonNegative,
                  "Weights shrink by lr x weight_decay in each step; unset: the "
                  "algorithm's default (adamw 0.01, lion 0, muon 0)."),
      make_choice("decay", options.decay,
                  {{"matrices", DecayRule::kMatrices}, {"all", DecayRule::kAll}},
                  "Which parameters decay: those of two dimensions or more without "
                  "'bias' in the name, or all."),
      make_option("decay_embeddings", options.decay_embeddings,
                  "Under decay matrices, embeddings (by role or by 'embedding' in the "
                  "name) decay as well."),
  };
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
