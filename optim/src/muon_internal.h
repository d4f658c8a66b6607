/// The optimizer inside Muon.
#pragma once

#include <memory>
#include <vector>

#include "shardopt/optim/grouped_optimizer.h"
#include "shardopt/optim/muon_options.h"

namespace shardopt::optim {

/// Of the algorithm that the options of `groups` name, the same in all of them; each
/// group with the lr, decay and rules that its options give it. Throws ConfigError if
/// groups name different algorithms.
[[nodiscard]] std::unique_ptr<Optimizer> make_internal(
    std::vector<ParamGroup<MuonOptions>> groups);

}  // namespace shardopt::optim
