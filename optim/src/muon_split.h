/// Who goes to Muon, and who to the AdamW inside it.
#pragma once

#include <vector>

#include "shardopt/optim/adamw_options.h"
#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/muon_options.h"

namespace shardopt::optim {

/// As many groups of each, of the same names.
struct MuonSplit {
  std::vector<ParamGroup<MuonOptions>> muon;
  std::vector<ParamGroup<AdamWOptions>> adamw;
};

/// Sorts each group's parameters by the rule in muon.h. Throws ConfigError if options
/// are out of range.
[[nodiscard]] MuonSplit split_for_muon(std::vector<ParamGroup<MuonOptions>> groups);

}  // namespace shardopt::optim
