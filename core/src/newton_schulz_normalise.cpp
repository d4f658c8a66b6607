#include "newton_schulz_normalise.h"

#include <cmath>
#include <limits>

#include <ATen/ops/bmm.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/where.h>
#include <c10/util/Exception.h>

namespace shardopt {
namespace {

// Smallest divisor: keeps zero matrices zero.
double smallest_normal(at::ScalarType dtype) {
  return dtype == at::kDouble ? std::numeric_limits<double>::min()
                              : std::numeric_limits<float>::min();
}

// Matrices over their largest entry: no square or fourth power of what is in [-1, 1]
// overflows, nor do all of them vanish.
struct Scaled {
  at::Tensor x;        // [batch, rows, cols]
  at::Tensor largest;  // [batch, 1, 1]
  double tiny;
};

// `largest` is NaN where it is not finite, and so is then all of x.
Scaled scale(const at::Tensor& x) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double tiny = smallest_normal(x.scalar_type());
  const at::Tensor entry = x.abs().amax({1, 2}, /*keepdim=*/true);
  const at::Tensor largest =
      at::where(entry.isfinite(), entry, at::scalar_tensor(nan, entry.options()))
          .clamp_min(tiny);
  return {x.div(largest), largest, tiny};
}

// A number of the matrix's own scale as one of x's. It may be infinite: the matrix is
// then nothing beside it. fp64, since x's dtype may have no room for `value`.
at::Tensor relative(double value, const Scaled& scaled) {
  return scaled.largest.to(at::kDouble)
      .reciprocal()
      .mul(value)
      .to(scaled.x.scalar_type());
}

at::Tensor gram_of(const at::Tensor& x) { return at::bmm(x, x.transpose(1, 2)); }

at::Tensor frobenius(const at::Tensor& x) {
  return at::linalg_vector_norm(x, 2, at::IntArrayRef({1, 2}), /*keepdim=*/true);
}

at::Tensor spectral(const at::Tensor& x) {
  // The SVD refuses NaN; x keeps it.
  const at::Tensor values = at::linalg_svdvals(at::nan_to_num(x, 0.0));
  return values.narrow(1, 0, 1).unsqueeze(2);  // descending
}

// Squares below the smallest normal number vanish, so a row's sum is known to `cols`
// of them only. [batch, rows, 1]
at::Tensor row_sums(const at::Tensor& gram, const Scaled& scaled) {
  const auto cols = static_cast<double>(scaled.x.size(2));
  return gram.abs().sum({2}, /*keepdim=*/true).clamp_min(scaled.tiny * cols);
}

bool takes_gram(Normaliser normaliser) {
  return normaliser != Normaliser::kFrobenius && normaliser != Normaliser::kSpectral;
}

// `gram` is that of the scaled matrices, if the normaliser takes it. [batch, 1, 1],
// kAol [batch, rows, 1]
at::Tensor divisor(Normaliser normaliser, double eps, const Scaled& scaled,
                   const at::Tensor& gram) {
  switch (normaliser) {
    case Normaliser::kFrobenius:
      return frobenius(scaled.x).add(relative(eps, scaled));
    case Normaliser::kSpectral:
      return spectral(scaled.x);
    case Normaliser::kAol:
      return at::maximum(row_sums(gram, scaled).sqrt(),
                         relative(std::sqrt(eps), scaled));
    case Normaliser::kSchatten:
      return at::maximum(frobenius(gram).sqrt(), relative(std::sqrt(eps), scaled));
    case Normaliser::kS4:
      return frobenius(gram).sqrt();
    case Normaliser::kS8:
      return frobenius(gram_of(gram)).sqrt().sqrt();  // A A = A A^T
  }
  TORCH_INTERNAL_ASSERT(false, "unnamed Normaliser");
}

}  // namespace

NormalisedMatrices normalise(const at::Tensor& x, Normaliser normaliser, double eps) {
  const Scaled scaled = scale(x);
  const at::Tensor gram = takes_gram(normaliser) ? gram_of(scaled.x) : at::Tensor();
  const at::Tensor by = divisor(normaliser, eps, scaled, gram).clamp_min(scaled.tiny);
  if (!gram.defined()) return {scaled.x.div(by), gram};
  return {scaled.x.div(by), gram.div(by).div(by.transpose(1, 2))};
}

}  // namespace shardopt
