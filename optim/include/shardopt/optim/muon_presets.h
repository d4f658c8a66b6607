/// Muon as other systems have it, as data.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardopt/core/option.h"

namespace shardopt::optim {

struct OptimizerConfig;

/// Values by path below "optimizer", as "muon.momentum_form"; what a preset does not
/// name keeps its default.
struct MuonPreset {
  std::string name;
  std::string source;  ///< What it is like.
  std::vector<std::pair<std::string, OptionValue>> values;
};

[[nodiscard]] const std::vector<MuonPreset>& muon_presets();
[[nodiscard]] std::vector<std::string> muon_preset_names();

/// Throws ConfigError, listing the known, if there is none of this name.
[[nodiscard]] const MuonPreset& find_muon_preset(std::string_view name);

/// Sets optimizer.name to muon, `muon_preset`, and each of the preset's values. Throws
/// ConfigError for an unknown name.
void apply_preset(std::string_view name, OptimizerConfig& config);

}  // namespace shardopt::optim
