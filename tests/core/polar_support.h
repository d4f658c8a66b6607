/// Matrices of known spectrum, and their polar factors by SVD in fp64.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "shardopt/core/coefficients.h"
#include "shardopt/core/newton_schulz.h"
#include "shardopt/core/random.h"

namespace shardopt::test {

inline constexpr Normaliser kNormalisers[] = {
    Normaliser::kFrobenius, Normaliser::kSpectral, Normaliser::kAol,
    Normaliser::kSchatten,  Normaliser::kS4,       Normaliser::kS8};

inline at::Tensor random_matrices(at::IntArrayRef shape,
                                  at::ScalarType dtype = at::kDouble) {
  return at::randn(shape, make_named_generator(1, "newton_schulz"), dtype);
}

/// The greatest difference of two entries.
inline double distance(const at::Tensor& a, const at::Tensor& b) {
  return a.to(at::kDouble).sub(b.to(at::kDouble)).abs().max().item<double>();
}

inline double largest_singular_value(const at::Tensor& matrix) {
  return at::linalg_matrix_norm(matrix.to(at::kDouble), 2).item<double>();
}

/// [rows, cols] with `values`, as many as the short side.
inline at::Tensor with_singular_values(const at::Tensor& values, int64_t rows,
                                       int64_t cols) {
  const auto [u, s, vt] =
      at::linalg_svd(random_matrices({rows, cols}), /*full_matrices=*/false);
  return u.mul(values).matmul(vt);
}

struct NamedMatrix {
  std::string name;
  at::Tensor matrix;
};

/// What momentum can look like; fp64, singular values from 0 or 1 / 100 of the
/// largest.
inline std::vector<NamedMatrix> typical_matrices() {
  const at::Tensor log_values = at::logspace(0.0, -2.0, 24, 10.0, at::kDouble);
  const at::Tensor gaussian = random_matrices({24, 96});
  at::Tensor half_zero = gaussian.clone();
  half_zero.narrow(0, 0, 12).zero_();
  const at::Tensor column = at::linspace(-1.0, 2.0, 20, at::kDouble).unsqueeze(1);
  return {{"gaussian, wide", gaussian},
          {"gaussian, tall", gaussian.t().contiguous()},
          {"log spectrum", with_singular_values(log_values, 24, 24)},
          {"log spectrum, tall", with_singular_values(log_values, 40, 24)},
          {"rank 1", column.matmul(random_matrices({1, 30}))},
          {"half of the rows zero", half_zero}};
}

}  // namespace shardopt::test
