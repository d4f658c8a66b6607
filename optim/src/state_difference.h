/// What keeps a state from being loaded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shardopt/core/state_tree.h"

namespace shardopt::optim {

/// Each difference between the state that an object has and the one that it is given:
/// kind, version, texts, and which values, tensors (shape, dtype, cut) and parts there
/// are, with their types. Numbers and the contents of tensors may differ, and the cut
/// too if `found` has tensors of device meta, which only describe.
[[nodiscard]] std::vector<std::string> differences(const StateTree& expected,
                                                   const StateTree& found);

/// Throws CheckpointError with all of them, as "this state is not of `what`: ...", if
/// there are any.
void check_same(const StateTree& expected, const StateTree& found,
                std::string_view what);

}  // namespace shardopt::optim
