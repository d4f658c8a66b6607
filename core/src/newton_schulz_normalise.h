/// First part of Newton-Schulz: singular values into [0, 1].
#pragma once

#include <ATen/core/Tensor.h>

#include "shardopt/core/newton_schulz.h"

namespace shardopt {

struct NormalisedMatrices {
  at::Tensor x;     ///< [batch, rows, cols]
  at::Tensor gram;  ///< X X^T, [batch, rows, rows]; undefined where not at hand.
};

/// `x` ([batch, rows, cols], rows <= cols, fp32 or fp64, no size 0) divided as
/// `normaliser` says. A matrix with a NaN or an infinity becomes NaN throughout.
[[nodiscard]] NormalisedMatrices normalise(const at::Tensor& x, Normaliser normaliser,
                                           double eps);

}  // namespace shardopt
