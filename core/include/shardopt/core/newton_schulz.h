/// Newton-Schulz: the polar factor of a matrix by odd polynomials.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace shardopt {

/// One step, p(s) = a s + b s^3 + c s^5 on each singular value s.
struct NewtonSchulzStep {
  double a;
  double b;
  double c;
};

/// Jordan's quintic (github.com/KellerJordan/Muon): steep at 0, never converges;
/// after 5 steps singular values from [0.01, 1] lie in [0.68, 1.14].
inline constexpr NewtonSchulzStep kJordanQuintic{3.4445, -4.7750, 2.0315};

struct NewtonSchulzOptions {
  int64_t steps = 5;
  NewtonSchulzStep step = kJordanQuintic;
  /// Added to the Frobenius norm that the matrix is divided by. At 0 the result
  /// does not depend on the matrix's scale, from 1e-20 to 1e20.
  double eps = 0.0;
};

/// Approximates U V^T of each matrix U S V^T of `matrices` ([*, rows, cols], fp32 or
/// fp64; computed in that dtype), keeping the shape; no rows or columns give no
/// entries. Zero gives zero; a matrix with a NaN or an infinity gives NaN throughout.
[[nodiscard]] at::Tensor newton_schulz(const at::Tensor& matrices,
                                       const NewtonSchulzOptions& options);

}  // namespace shardopt
