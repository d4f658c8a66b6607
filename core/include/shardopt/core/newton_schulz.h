/// Newton-Schulz: the polar factor of a matrix by odd polynomials.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

namespace shardopt {

/// One step, p(s) = a s + b s^3 + c s^5 on each singular value s. With c = 0 it costs
/// two matrix products in place of three.
struct NewtonSchulzStep {
  double a;
  double b;
  double c;
};

/// Jordan's quintic (github.com/KellerJordan/Muon): steep at 0, never converges;
/// after 5 steps singular values from [0.01, 1] lie in [0.68, 1.14].
inline constexpr NewtonSchulzStep kJordanQuintic{3.4445, -4.7750, 2.0315};

/// What a matrix X is divided by before the first step, so that its singular values
/// lie in [0, 1]; A = X X^T of the wide one of X and X^T. All are upper bounds of the
/// largest singular value. "Ratio" is bound over value for Gaussian square matrices
/// of side n: the smaller, the fewer steps.
enum class Normaliser : uint8_t {
  kFrobenius,  ///< ||X||_F + eps; ratio sqrt(n) / 2.
  kSpectral,   ///< The largest singular value itself, by SVD; for tests and small X.
  /// Row i by max(sum_j |A_ij|, eps)^(1/2) (Turbo-Muon, arXiv 2512.04632). It
  /// rescales rows against each other: the result approximates the polar factor of
  /// that other matrix, far from X's own if rows differ much in norm.
  kAol,
  kSchatten,  ///< max(||A||_F, eps)^(1/2), the Schatten 4-norm as optax has it.
  kS4,        ///< ||A||_F^(1/2), the same without eps; about (n / 8)^(1/4).
  kS8,        ///< ||A A||_F^(1/4), the Schatten 8-norm; the tightest after kSpectral.
};

struct NewtonSchulzOptions {
  /// One for each iteration; coefficients.h has tables of them. With none, X is only
  /// normalised.
  std::vector<NewtonSchulzStep> steps =
      std::vector<NewtonSchulzStep>(5, kJordanQuintic);
  Normaliser normaliser = Normaliser::kFrobenius;
  /// In the units of X (kFrobenius) or of A (kAol, kSchatten); the other normalisers
  /// have none and do not read it. At 0 the result does not depend on the matrix's
  /// scale, from 1e-20 to 1e20. Finite, >= 0.
  double eps = 0.0;
  /// fp64, fp32, bf16 or fp16; unset: that of the matrices. The half precisions hold
  /// what the steps compute; the matrix is normalised before it is rounded to them.
  std::optional<at::ScalarType> compute_dtype{};
};

/// Approximates U V^T of each matrix U S V^T of `matrices` ([*, rows, cols], fp32 or
/// fp64), keeping shape and dtype; no rows or columns give no entries. Zero gives
/// zero; a matrix with a NaN or an infinity gives NaN throughout, and no other does.
/// Iterates on the side with the smaller Gram matrix. Throws c10::Error if a shape,
/// a dtype or eps is not allowed.
[[nodiscard]] at::Tensor newton_schulz(const at::Tensor& matrices,
                                       const NewtonSchulzOptions& options);

}  // namespace shardopt
