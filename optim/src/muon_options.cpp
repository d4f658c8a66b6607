#include "shardopt/optim/muon_options.h"

#include "common_options.h"
#include "name_rules.h"

namespace shardopt::optim {

void MuonOptions::validate() const {
  check_all("muon", *this);
  MuonAdamWOptions internal = adamw;
  check_options("muon.adamw", options_of(internal));
  (void)compile_pattern("optimizer.muon.exclude", exclude);
}

std::vector<Option> options_of(MuonOptions& options) {
  return {
      make_option("momentum", options.momentum, kFraction,
                  "Decay of the momentum, m = momentum m + gradient."),
      make_option("nesterov", options.nesterov,
                  "Orthogonalize gradient + momentum m instead of m."),
      make_option("steps", options.steps, Range{.min = 1.0, .max = 100.0},
                  "Newton-Schulz steps of each update."),
      make_option("ns_eps", options.ns_eps, kNonNegative,
                  "Added to the norm that a matrix is divided by before Newton-Schulz; "
                  "with 0 the gradient's scale does not matter."),
      make_choice("scale", options.scale,
                  {{"aspect_flat", MuonScale::kAspectFlat}, {"rms", MuonScale::kRms}},
                  "Factor of the update: sqrt(max(1, rows / cols)), or "
                  "rms sqrt(max(rows, cols)), of the flattened matrix."),
      make_option("rms", options.rms, kPositive,
                  "Root mean square of an update with scale rms, which alone reads it; "
                  "0.2 is about AdamW's."),
      make_choice(
          "mode", options.mode, {{"local_shard", MuonMode::kLocalShard}},
          "Where a matrix that is cut over ranks is orthogonalized; local_shard: "
          "each rank its own rows, without communication, so the result depends "
          "on the number of ranks."),
      make_option(
          "max_aspect", options.max_aspect, Range{.min = 1.0},
          "Matrices whose long side is more than this many short sides go to the "
          "internal AdamW; unset: none for that reason."),
      make_option(
          "exclude", options.exclude,
          "Regular expression; parameters whose full names it is found in go to "
          "the internal AdamW; empty: none."),
      make_option(
          "exclude_embeddings", options.exclude_embeddings,
          "Embeddings, by role or by 'embedding' in the name, go to the internal "
          "AdamW."),
      make_option("exclude_head", options.exclude_head,
                  "The output head, by role, goes to the internal AdamW."),
  };
}

std::vector<Option> options_of(MuonAdamWOptions& options) {
  return {
      make_option("lr", options.lr, kNonNegative,
                  "lr of the internal AdamW, which the schedule scales too; unset: "
                  "Muon's."),
      make_option(
          "weight_decay", options.weight_decay, kNonNegative,
          "Weight decay of the internal AdamW, for parameters that decay; unset: "
          "Muon's."),
      make_option("beta1", options.beta1, kFraction,
                  "Decay of the mean of gradients, per step."),
      make_option("beta2", options.beta2, kFraction,
                  "Decay of the mean of squared gradients, per step."),
      make_option("eps", options.eps, kPositive,
                  "Added to the root of the mean square, in units of the gradient."),
  };
}

}  // namespace shardopt::optim
