#include "shardopt/core/newton_schulz.h"

#include <limits>

#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <c10/util/Exception.h>

namespace shardopt {
namespace {

// Smallest divisor: keeps zero matrices zero.
double smallest_normal(at::ScalarType dtype) {
  return dtype == at::kDouble ? std::numeric_limits<double>::min()
                              : std::numeric_limits<float>::min();
}

// [batch, rows, cols] over (Frobenius norm + eps), by way of the largest entry, so
// that squares neither overflow nor vanish.
at::Tensor normalise(const at::Tensor& x, double eps) {
  const double tiny = smallest_normal(x.scalar_type());
  const at::Tensor largest = x.abs().amax({1, 2}, /*keepdim=*/true).clamp_min(tiny);
  const at::Tensor scaled = x.div(largest);  // entries in [-1, 1]
  const at::Tensor norm =
      at::linalg_vector_norm(scaled, 2, at::IntArrayRef({1, 2}), /*keepdim=*/true);
  // eps / largest may be infinite: the matrix is then nothing beside eps.
  return scaled.div(norm.add(largest.reciprocal().mul(eps)).clamp_min(tiny));
}

}  // namespace

at::Tensor newton_schulz(const at::Tensor& matrices,
                         const NewtonSchulzOptions& options) {
  TORCH_CHECK(matrices.dim() >= 2, "newton_schulz takes [*, rows, cols], got ",
              matrices.sizes());
  TORCH_CHECK(
      matrices.scalar_type() == at::kFloat || matrices.scalar_type() == at::kDouble,
      "newton_schulz takes fp32 or fp64, got ", matrices.scalar_type());
  if (matrices.numel() == 0) return matrices.clone();
  const int64_t rows = matrices.size(-2);
  const int64_t cols = matrices.size(-1);
  const bool is_tall = rows > cols;  // work on the wide side: the smaller Gram matrix
  at::Tensor x = normalise(matrices.reshape({-1, rows, cols}), options.eps);
  if (is_tall) x = x.transpose(1, 2);
  const auto [a, b, c] = options.step;
  for (int64_t step = 0; step < options.steps; ++step) {
    const at::Tensor gram = at::bmm(x, x.transpose(1, 2));        // A = X X^T
    const at::Tensor poly = at::baddbmm(gram, gram, gram, b, c);  // b A + c A A
    x = at::baddbmm(x, poly, x, a, 1.0);                          // a X + (...) X
  }
  if (is_tall) x = x.transpose(1, 2);
  return x.reshape(matrices.sizes());
}

}  // namespace shardopt
