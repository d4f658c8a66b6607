/// Everything that says which optimizer to build, for which parameters, and how.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shardopt/core/option.h"
#include "shardopt/optim/adam_options.h"
#include "shardopt/optim/dual_scaled_adam_options.h"
#include "shardopt/optim/lion_options.h"
#include "shardopt/optim/muon_options.h"
#include "shardopt/optim/optimizer.h"
#include "shardopt/optim/schedule_free_options.h"
#include "shardopt/optim/sgd_options.h"
#include "shardopt/optim/update_rules.h"

namespace shardopt::optim {

/// Which parameters decay at all.
enum class DecayRule : uint8_t {
  kMatrices,  ///< More than one dimension, and no "bias" in the name.
  kAll
};

/// A user's own group: the parameters whose full names `pattern` is found in; the first
/// group that matches takes a parameter. An lr or weight_decay that is unset is the
/// config's, and if that is unset too the default of the group's algorithm.
struct GroupRule {
  std::string name{};     ///< Unset: "group0", "group1", ... by position.
  std::string pattern{};  ///< Regular expression (ECMAScript), case-sensitive.
  std::optional<double> lr{};
  std::optional<double> weight_decay{};  ///< Set: of all its parameters, any kind.
  std::string algorithm{};               ///< Unset: that of all others.
};

struct OptimizerConfig {
  std::string name = "adamw";
  std::optional<double> lr{};            ///< Unset: the algorithm's default.
  std::optional<double> weight_decay{};  ///< Unset: the algorithm's default.
  DecayRule decay = DecayRule::kMatrices;
  bool decay_embeddings = true;  ///< Under kMatrices: embeddings decay as matrices do.
  /// Regular expressions over full names; empty: none. One that finds nothing is an
  /// error.
  std::string exclude_from_weight_decay{};
  /// Parameters that become their gradient in each update (fp8 scales).
  std::string overwrite_with_gradient{};
  MissingGradient missing_gradient = MissingGradient::kSkip;
  UpdateRules
      rules{};  ///< Of every algorithm; those in the structs below are not read.
  std::vector<GroupRule> groups{};
  AdamOptions adam{};
  AdamOptions adamw = adamw_defaults();
  NadamOptions nadam{};
  NadamOptions nadamw = nadamw_defaults();
  LionOptions lion{};
  SgdOptions sgd{};
  ScheduleFreeAdamWOptions schedule_free_adamw{};
  ScheduleFreeSgdOptions schedule_free_sgd{};
  DualScaledAdamOptions dual_scaled_adam{};
  MuonOptions muon{};
  /// The preset of Muon that values were taken from, for the record: apply_preset.
  std::string muon_preset{};
  /// For an optimizer that the user registered, whose struct is not known here.
  std::map<std::string, OptionValue> options{};
};

/// name, lr, weight_decay, decay, decay_embeddings, the two patterns, missing_gradient
/// and the rules.
[[nodiscard]] std::vector<Option> options_of(OptimizerConfig& options);
/// name, pattern, lr, weight_decay and algorithm.
[[nodiscard]] std::vector<Option> options_of(GroupRule& options);

}  // namespace shardopt::optim
