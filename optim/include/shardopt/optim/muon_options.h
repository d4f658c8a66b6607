/// Options of Muon.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shardopt/core/newton_schulz.h"
#include "shardopt/core/option.h"
#include "shardopt/optim/muon_enums.h"
#include "shardopt/optim/muon_internal_options.h"
#include "shardopt/optim/update_rules.h"

namespace shardopt::optim {

struct MuonOptions {
  double lr = 0.02;
  double weight_decay = 0.0;
  double momentum = 0.95;
  bool nesterov = true;
  MomentumForm momentum_form = MomentumForm::kHeavyBall;

  std::string coefficients = "jordan";  ///< Of coefficient_names().
  std::string coefficient_rows{};       ///< "a,b,c; a,b,c": goes before `coefficients`.
  std::optional<int64_t> steps{};       ///< Unset: the table's own, 5 if it repeats.
  Normaliser normaliser = Normaliser::kFrobenius;
  double ns_eps = 0.0;
  NsDtype ns_dtype = NsDtype::kParameter;

  MuonScale scale = MuonScale::kAspectFlat;
  double rms = 0.2;  ///< c of scale rms: 0.2 matches AdamW's update size.
  double scale_constant = 1.0;
  Adaptive adaptive = Adaptive::kOff;
  CautionStage caution_stage = CautionStage::kAfter;
  Flatten flatten = Flatten::kFirstDim;
  std::string row_blocks{};  ///< "64,64,64": rows of matrices within one (fused QKV).
  std::string row_blocks_pattern{};  ///< Names that row_blocks holds for.
  bool normuon = false;
  double normuon_beta2 = 0.95;
  double normuon_eps = 1e-8;
  MuonMode mode = MuonMode::kLocalShard;

  int64_t min_dimensions = 2;
  std::optional<int64_t> max_dimensions{};
  /// Largest long side / short side of a matrix that Muon takes; unset: any.
  std::optional<double> max_aspect{};
  std::string exclude{};           ///< Regular expression.
  bool exclude_embeddings = true;  ///< By role, and names with "embedding".
  bool exclude_biases = false;     ///< Names with "bias".
  bool exclude_head = true;        ///< By role, and by head_pattern.
  std::string head_pattern{};      ///< Regular expression for the output head's name.

  Internal internal = Internal::kAdamW;
  DecayLr decay_lr = DecayLr::kOwn;
  MuonAdamOptions adamw{};
  MuonAdamOptions nadamw{};
  MuonLionOptions lion{};
  UpdateRules rules{};

  /// Throws ConfigError if a value is out of range, a pattern does not compile, or
  /// values do not fit each other.
  void validate() const;
};

/// Without lr, weight_decay and rules, which every algorithm has
/// (options_of(OptimizerConfig&)), and without those of the internal optimizers.
[[nodiscard]] std::vector<Option> options_of(MuonOptions& options);

}  // namespace shardopt::optim
