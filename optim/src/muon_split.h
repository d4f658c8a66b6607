/// Who goes to Muon, and who to the optimizer inside it.
#pragma once

#include <memory>
#include <vector>

#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/muon_options.h"

#include "row_blocks.h"

namespace shardopt::optim {

struct MuonSplit {
  std::vector<ParamGroup<MuonOptions>> muon;
  /// Local rows of each block, by name, of parameters that row_blocks hold for.
  RowBlocks blocks{};
  std::unique_ptr<Optimizer> internal;  ///< With as many groups, of the same names.
};

/// Sorts each group's parameters by the options' routing. Throws ConfigError as Muon's
/// constructor does.
[[nodiscard]] MuonSplit split_for_muon(std::vector<ParamGroup<MuonOptions>> groups);

}  // namespace shardopt::optim
