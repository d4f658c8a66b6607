#include "shardopt/core/newton_schulz.h"

#include <cmath>

#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <c10/util/Exception.h>

#include "newton_schulz_normalise.h"

namespace shardopt {
namespace {

bool is_full_precision(at::ScalarType dtype) {
  return dtype == at::kFloat || dtype == at::kDouble;
}

void check(const at::Tensor& matrices, const NewtonSchulzOptions& options) {
  TORCH_CHECK(matrices.dim() >= 2, "newton_schulz takes [*, rows, cols], got ",
              matrices.sizes());
  TORCH_CHECK(is_full_precision(matrices.scalar_type()),
              "newton_schulz takes fp32 or fp64, got ", matrices.scalar_type());
  TORCH_CHECK(std::isfinite(options.eps) && options.eps >= 0.0,
              "newton_schulz: eps is ", options.eps, "; allowed: finite, >= 0");
  const at::ScalarType compute = options.compute_dtype.value_or(at::kFloat);
  TORCH_CHECK(
      is_full_precision(compute) || compute == at::kBFloat16 || compute == at::kHalf,
      "newton_schulz: compute_dtype is ", compute,
      "; allowed: Float, Double, BFloat16, Half");
}

// a X + (b A + c A A) X with A = X X^T. [batch, rows, cols]
at::Tensor apply(const NewtonSchulzStep& step, const at::Tensor& x,
                 const at::Tensor& gram) {
  const auto [a, b, c] = step;
  if (c == 0.0) return at::baddbmm(x, gram, x, a, b);
  const at::Tensor poly = at::baddbmm(gram, gram, gram, b, c);
  return at::baddbmm(x, poly, x, a, 1.0);
}

}  // namespace

at::Tensor newton_schulz(const at::Tensor& matrices,
                         const NewtonSchulzOptions& options) {
  check(matrices, options);
  if (matrices.numel() == 0) return matrices.clone();
  const at::ScalarType dtype = matrices.scalar_type();
  const at::ScalarType compute = options.compute_dtype.value_or(dtype);
  const int64_t rows = matrices.size(-2);
  const int64_t cols = matrices.size(-1);
  const bool is_tall = rows > cols;  // work on the wide side: the smaller Gram matrix
  at::Tensor input = matrices.reshape({-1, rows, cols});
  if (is_tall) input = input.transpose(1, 2);
  if (compute == at::kDouble) input = input.to(compute);
  auto [x, gram] = normalise(input, options.normaliser, options.eps);
  x = x.to(compute);
  if (gram.defined()) gram = gram.to(compute);  // of the normaliser: for the first step
  for (const NewtonSchulzStep& step : options.steps) {
    if (!gram.defined()) gram = at::bmm(x, x.transpose(1, 2));
    x = apply(step, x, gram);
    gram.reset();
  }
  if (is_tall) x = x.transpose(1, 2);
  return x.to(dtype).reshape(matrices.sizes());
}

}  // namespace shardopt
