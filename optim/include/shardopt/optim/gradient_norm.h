/// The norm of all gradients together, and clipping by it.
#pragma once

#include <span>

#include "shardopt/core/parameter.h"

namespace shardopt::distributed {
class Communicator;
}

namespace shardopt::optim {

/// Sum of squares of this rank's gradients, accumulated in fp64; no gradient adds
/// nothing.
[[nodiscard]] double local_squared_norm(std::span<const Parameter> parameters);

/// Multiplies every gradient, in place.
void scale_gradients(std::span<const Parameter> parameters, double factor);

/// min(1, max_norm / (norm + 1e-6)), torch's; 1 for a norm that is not finite, which
/// the caller has to deal with. Throws c10::Error unless `max_norm` > 0.
[[nodiscard]] double clip_factor(double norm, double max_norm);

/// Scales the gradients so that their 2-norm over all ranks of `communicator` is at
/// most `max_norm`, and returns the norm before; one that is not finite leaves the
/// gradients as they are. Exact over any cut. Collective: one all_reduce.
double clip_global_norm(std::span<const Parameter> parameters, double max_norm,
                        distributed::Communicator& communicator);

}  // namespace shardopt::optim
