/// The state of a model, for checkpoints.
#pragma once

#include <string>

#include "shardopt/core/state_tree.h"

namespace torch::nn {
class Module;
}

namespace shardopt::distributed {

class ShardedModel;

/// Kind "model": every parameter, frozen ones too, by its name, cut as it is here; tied
/// names are aliases. A 0-d parameter counts as one row; a value "NAME.is_scalar" says
/// so. Tensors alias the model's rows. Local.
[[nodiscard]] StateTree model_state(const ShardedModel& model);

/// Adds the buffers of `module`, named `prefix` + "." + their name there (without the
/// dot if `prefix` is empty), whole and as rank 0 has them: running statistics differ
/// between ranks by nature. Throws c10::Error if a name is taken.
void add_buffers(StateTree& model, const torch::nn::Module& module,
                 const std::string& prefix);

}  // namespace shardopt::distributed
