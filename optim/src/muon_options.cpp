#include "shardopt/optim/muon_options.h"

#include "common_options.h"
#include "name_rules.h"
#include "row_blocks.h"
#include "shardopt/core/coefficients.h"
#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

constexpr char kOwner[] = "muon";

std::vector<Option> momentum_options(MuonOptions& options) {
  return {
      make_option("momentum", options.momentum, kFraction,
                  "Decay b of the momentum m, per step."),
      make_option("nesterov", options.nesterov,
                  "Orthogonalize a mix of gradient g and momentum instead of m."),
      make_choice(
          "momentum_form", options.momentum_form,
          {{"heavy_ball", MomentumForm::kHeavyBall},
           {"ema", MomentumForm::kEma},
           {"optax", MomentumForm::kOptax},
           {"s0_legacy", MomentumForm::kS0Legacy}},
          "heavy_ball: m = b m + g, mix g + b m; ema: m = b m + (1 - b) g, mix "
          "(1 - b) g + b m; optax: ema, bias-corrected; s0_legacy: m as ema, mix "
          "g + b m."),
  };
}

std::vector<Option> newton_schulz_table(MuonOptions& options) {
  return {
      make_choice("coefficients", options.coefficients, coefficient_names(),
                  "Table of Newton-Schulz coefficients."),
      make_option("coefficient_rows", options.coefficient_rows,
                  "A table of your own, 'a,b,c; a,b,c; ...', one row per step, instead "
                  "of coefficients; empty: none."),
      make_option(
          "steps", options.steps, Range{.min = 1.0, .max = 100.0},
          "Newton-Schulz steps of each update; unset: as many as the table has "
          "rows, 5 for one that repeats; a table that does not takes no other."),
      make_choice("normaliser", options.normaliser,
                  {{"frobenius", Normaliser::kFrobenius},
                   {"spectral", Normaliser::kSpectral},
                   {"aol", Normaliser::kAol},
                   {"schatten", Normaliser::kSchatten},
                   {"s4", Normaliser::kS4},
                   {"s8", Normaliser::kS8}},
                  "What a matrix is divided by before Newton-Schulz: a bound of its "
                  "largest singular value."),
      make_option("ns_eps", options.ns_eps, kNonNegative,
                  "Added to the frobenius norm, least value within aol and schatten; "
                  "with 0 the gradient's scale does not matter."),
      make_choice("ns_dtype", options.ns_dtype,
                  {{"parameter", NsDtype::kParameter},
                   {"fp32", NsDtype::kFp32},
                   {"bf16", NsDtype::kBf16},
                   {"fp16", NsDtype::kFp16}},
                  "Type in which Newton-Schulz computes."),
  };
}

std::vector<Option> scale_options(MuonOptions& options) {
  return {
      make_choice(
          "scale", options.scale,
          {{"aspect", MuonScale::kAspect},
           {"aspect_flat", MuonScale::kAspectFlat},
           {"aspect01", MuonScale::kAspect01},
           {"optax", MuonScale::kOptax},
           {"rms", MuonScale::kRms},
           {"none", MuonScale::kNone}},
          "Factor of the update: sqrt(max(1, rows / cols)) of the last two "
          "dimensions, of the matrix, of the first two dimensions, or of fan out "
          "/ fan in; or rms sqrt(max(rows, cols)); or 1."),
      make_option("rms", options.rms, kPositive,
                  "Root mean square of an update with scale rms, which alone reads it; "
                  "0.2 is about AdamW's."),
      make_option("scale_constant", options.scale_constant, kPositive,
                  "Factor beside scale."),
      make_choice("adaptive", options.adaptive,
                  {{"off", Adaptive::kOff},
                   {"dual", Adaptive::kDual},
                   {"clip01", Adaptive::kClip01},
                   {"clip11", Adaptive::kClip11}},
                  "Multiply an update O of direction u by <u, O>, per matrix, so that "
                  "steps shrink with gradients; clipped to [0, 1] or [-1, 1]. Not with "
                  "matrices that are cut over ranks."),
      make_choice(
          "caution_stage", options.caution_stage,
          {{"before", CautionStage::kBefore}, {"after", CautionStage::kAfter}},
          "Where optimizer.caution masks: the direction before Newton-Schulz, by "
          "the momentum's signs, or the update."),
      make_option("normuon", options.normuon,
                  "Divide rows of the update by their root mean square over time, "
                  "keeping the update's norm (NorMuon)."),
      make_option("normuon_beta2", options.normuon_beta2, kFraction,
                  "Decay of normuon's mean squares, per step."),
      make_option("normuon_eps", options.normuon_eps, kPositive,
                  "Added to normuon's roots."),
  };
}

std::vector<Option> matrix_options(MuonOptions& options) {
  return {
      make_choice("flatten", options.flatten,
                  {{"first_dim", Flatten::kFirstDim},
                   {"batched", Flatten::kBatched},
                   {"batched_3d", Flatten::kBatched3d},
                   {"conv_hwio", Flatten::kConvHwio}},
                  "Beyond two dimensions: one matrix (first, rest); one for each index "
                  "of all but the last two; the latter in three dimensions and the "
                  "former beyond; or (height, width, in, out) as (out, rest)."),
      make_option("row_blocks", options.row_blocks,
                  "Rows of matrices that lie one below the other in parameters of "
                  "row_blocks_pattern, as '64,64,64' of a fused QKV; empty: none."),
      make_option("row_blocks_pattern", options.row_blocks_pattern,
                  "Regular expression for the names that row_blocks holds for."),
      make_choice(
          "mode", options.mode, {{"local_shard", MuonMode::kLocalShard}},
          "Where a matrix that is cut over ranks is orthogonalized; local_shard: "
          "each rank its own rows, without communication, so the result depends "
          "on the number of ranks."),
  };
}

std::vector<Option> routing_options(MuonOptions& options) {
  return {
      make_option("min_dimensions", options.min_dimensions, Range{.min = 2.0},
                  "Parameters of fewer dimensions go to the internal optimizer."),
      make_option("max_dimensions", options.max_dimensions, Range{.min = 2.0},
                  "Parameters of more dimensions go to it; unset: none."),
      make_option("max_aspect", options.max_aspect, Range{.min = 1.0},
                  "Matrices whose long side is more than this many short sides go to "
                  "it; unset: none for that reason."),
      make_option(
          "exclude", options.exclude,
          "Regular expression; parameters whose full names it is found in go to "
          "it; empty: none."),
      make_option("exclude_embeddings", options.exclude_embeddings,
                  "Embeddings, by role or by 'embedding' in the name, go to it."),
      make_option("exclude_biases", options.exclude_biases,
                  "Parameters with 'bias' in the name go to it."),
      make_option("exclude_head", options.exclude_head,
                  "The output head, by role or by head_pattern, goes to it."),
      make_option(
          "head_pattern", options.head_pattern,
          "Regular expression for the name of the output head, beside its role; "
          "empty: none."),
      make_choice(
          "internal", options.internal,
          {{"adamw", Internal::kAdamW},
           {"nadamw", Internal::kNadamW},
           {"lion", Internal::kLion}},
          "The internal optimizer, for what Muon does not take; its options are "
          "in the block of its name."),
      make_choice("decay_lr", options.decay_lr,
                  {{"own", DecayLr::kOwn}, {"full", DecayLr::kFull}},
                  "The lr that decay of its parameters is scaled by: its own, or "
                  "Muon's."),
  };
}

template <typename Options>
std::vector<Option> internal_options(Options& options) {
  return {
      make_option("lr", options.lr, kNonNegative,
                  "lr of the internal optimizer, which the schedule scales too; unset: "
                  "ratio times Muon's."),
      make_option("ratio", options.ratio, kNonNegative,
                  "Its lr as a multiple of Muon's, unless lr is set."),
      make_option("weight_decay", options.weight_decay, kNonNegative,
                  "Its weight decay, for parameters that decay; unset: Muon's."),
      make_option("beta1", options.beta1, kFraction,
                  "Share of the past in its mean of gradients."),
      make_option("beta2", options.beta2, kFraction,
                  "Decay of its mean of squared gradients, or of Lion's momentum."),
  };
}

}  // namespace

void MuonOptions::validate() const {
  check_all(kOwner, *this);
  MuonOptions copy = *this;
  check_options("muon.adamw", options_of(copy.adamw));
  check_options("muon.nadamw", options_of(copy.nadamw));
  check_options("muon.lion", options_of(copy.lion));
  (void)compile_pattern("optimizer.muon.exclude", exclude);
  (void)compile_pattern("optimizer.muon.head_pattern", head_pattern);
  (void)compile_pattern("optimizer.muon.row_blocks_pattern", row_blocks_pattern);
  if (coefficient_rows.empty()) {
    (void)coefficient_steps(coefficients, steps);
  } else if (steps) {
    SHARDOPT_THROW(ConfigError, kOwner, ": steps is ", *steps,
                   ", but coefficient_rows says how many; allowed: one of them");
  } else {
    (void)parse_coefficients(coefficient_rows);
  }
  (void)parse_row_blocks(row_blocks);
  if (row_blocks.empty() != row_blocks_pattern.empty()) {
    SHARDOPT_THROW(ConfigError, kOwner, ": row_blocks is '", row_blocks,
                   "' and row_blocks_pattern '", row_blocks_pattern,
                   "'; allowed: both or none");
  }
  if (flatten == Flatten::kConvHwio && (normuon || !row_blocks.empty())) {
    SHARDOPT_THROW(ConfigError, kOwner, ": flatten is 'conv_hwio', with ",
                   normuon ? "normuon" : "row_blocks",
                   "; allowed: one of them, since rows of its matrices are not rows of "
                   "the parameter");
  }
  if (max_dimensions && *max_dimensions < min_dimensions) {
    SHARDOPT_THROW(ConfigError, kOwner, ": max_dimensions is ", *max_dimensions,
                   "; allowed: >= min_dimensions, ", min_dimensions);
  }
}

std::vector<Option> options_of(MuonOptions& options) {
  std::vector<Option> list;
  for (const auto& part : {momentum_options, newton_schulz_table, scale_options,
                           matrix_options, routing_options}) {
    for (Option& option : part(options)) list.push_back(std::move(option));
  }
  return list;
}

std::vector<Option> options_of(MuonAdamOptions& options) {
  std::vector<Option> list = internal_options(options);
  list.push_back(
      make_option("eps", options.eps, kPositive,
                  "Added to the root of the mean square, in units of the gradient."));
  list.push_back(make_choice("eps_form", options.eps_form, eps_forms(), kEpsFormHelp));
  return list;
}

std::vector<Option> options_of(MuonLionOptions& options) {
  return internal_options(options);
}

}  // namespace shardopt::optim
