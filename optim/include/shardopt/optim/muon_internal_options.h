/// Options of the optimizers inside Muon.
#pragma once

#include <optional>
#include <vector>

#include "shardopt/core/option.h"
#include "shardopt/optim/adam_options.h"

namespace shardopt::optim {

/// AdamW or NAdamW inside Muon, for what is not a hidden matrix. A group's own lr or
/// weight_decay goes before these.
struct MuonAdamOptions {
  std::optional<double> lr{};            ///< Unset: ratio times Muon's.
  double ratio = 1.0;                    ///< Has no effect where lr is set.
  std::optional<double> weight_decay{};  ///< Unset: Muon's.
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  EpsForm eps_form = EpsForm::kStandard;
};

/// Lion inside Muon.
struct MuonLionOptions {
  std::optional<double> lr{};
  double ratio = 1.0;
  std::optional<double> weight_decay{};
  double beta1 = 0.9;
  double beta2 = 0.99;
};

/// Their lr and weight_decay too: they are their own.
[[nodiscard]] std::vector<Option> options_of(MuonAdamOptions& options);
[[nodiscard]] std::vector<Option> options_of(MuonLionOptions& options);

}  // namespace shardopt::optim
