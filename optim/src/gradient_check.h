/// What a gradient must be before anything uses it.
#pragma once

#include "shardopt/core/parameter.h"

namespace shardopt::optim {

/// Throws c10::Error if the gradient of `parameter` is sparse, or of another shape,
/// dtype or device than its rows; there may be none.
void check_gradient(const Parameter& parameter);

}  // namespace shardopt::optim
