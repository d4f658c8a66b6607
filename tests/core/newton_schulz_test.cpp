#include "shardopt/core/newton_schulz.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/polar_support.h"

namespace shardopt {
namespace {

using test::distance;
using test::random_matrices;

// Rounding of five steps of small products, amplified by up to 3.4^5.
constexpr double kFloatTolerance = 2e-4;
constexpr double kDoubleTolerance = 1e-12;

NewtonSchulzOptions jordan(int64_t steps) {
  return {.steps = std::vector<NewtonSchulzStep>(steps, kJordanQuintic)};
}

double polynomial(double s, int64_t steps) {
  const auto [a, b, c] = kJordanQuintic;
  for (int64_t step = 0; step < steps; ++step) {
    s = a * s + b * std::pow(s, 3) + c * std::pow(s, 5);
  }
  return s;
}

// U p(S / |S|) V^T: what the iteration does, said with singular values.
at::Tensor by_singular_values(const at::Tensor& matrix, int64_t steps) {
  const auto [u, s, vt] = at::linalg_svd(matrix, /*full_matrices=*/false);
  const double norm = s.norm().item<double>();
  at::Tensor mapped = s.clone();
  for (int64_t i = 0; i < s.numel(); ++i) {
    mapped[i] = polynomial(s[i].item<double>() / norm, steps);
  }
  return u.mul(mapped).matmul(vt);
}

TEST(NewtonSchulzTest, MapsSingularValuesByThePolynomial) {
  for (const auto& shape : {std::pair(4, 4), std::pair(3, 8), std::pair(9, 5),
                            std::pair(1, 6), std::pair(6, 1)}) {
    const at::Tensor matrix = random_matrices({shape.first, shape.second});
    for (const int64_t steps : {0, 1, 5, 8}) {
      const at::Tensor expected = by_singular_values(matrix, steps);
      EXPECT_LT(distance(newton_schulz(matrix, jordan(steps)), expected),
                kDoubleTolerance)
          << shape.first << " x " << shape.second << ", " << steps << " steps";
      EXPECT_LT(distance(newton_schulz(matrix.to(at::kFloat), jordan(steps)), expected),
                kFloatTolerance);
    }
  }
}

TEST(NewtonSchulzTest, OtherCoefficientsConverge) {
  const at::Tensor matrix = random_matrices({5, 7});
  const auto [u, s, vt] = at::linalg_svd(matrix, /*full_matrices=*/false);
  const NewtonSchulzOptions cubic{
      .steps = std::vector<NewtonSchulzStep>(60, {1.5, -0.5, 0.0})};
  EXPECT_LT(distance(newton_schulz(matrix, cubic), u.matmul(vt)), kDoubleTolerance);
}

// The least and the greatest image of singular values from [least, 1], each beside
// sqrt(1 - s^2) in a matrix of norm 1.
std::pair<double, double> band(double least, int64_t steps) {
  const at::Tensor s = at::linspace(least, 1.0, 20001, at::kDouble);
  const at::Tensor other = s.mul(s).neg().add(1.0).clamp_min(0.0).sqrt();
  const at::Tensor matrices = at::diag_embed(at::stack({s, other}, 1));  // [*, 2, 2]
  const at::Tensor image =
      newton_schulz(matrices, jordan(steps)).select(1, 0).select(1, 0);
  return {image.min().item<double>(), image.max().item<double>()};
}

TEST(NewtonSchulzTest, OneIsNoFixedPoint) {
  const at::Tensor one = at::ones({1, 1}, at::kDouble);
  EXPECT_NEAR(newton_schulz(one, jordan(1)).item<double>(), 0.701, 1e-12);
}

TEST(NewtonSchulzTest, StaysInTheBandsOfJordansQuintic) {
  struct Fact {
    double least;
    int64_t steps;
    double low;
    double high;
  };
  for (const Fact& fact :
       {Fact{0.01, 5, 0.6818, 1.1344}, Fact{0.001, 5, 0.4705, 1.2024},
        Fact{0.001, 6, 0.6818, 1.2024}, Fact{0.01, 3, 0.4001, 1.2024},
        Fact{0.05, 3, 0.6818, 1.2016}}) {
    const auto [low, high] = band(fact.least, fact.steps);
    EXPECT_NEAR(low, fact.low, 1e-4) << fact.least << ", " << fact.steps << " steps";
    EXPECT_NEAR(high, fact.high, 1e-4) << fact.least << ", " << fact.steps << " steps";
  }
}

TEST(NewtonSchulzTest, NeverExceedsTheGlobalMaximum) {
  for (int64_t steps = 1; steps <= 12; ++steps) {
    EXPECT_LT(band(1e-6, steps).second, 1.2025) << steps << " steps";
  }
}

TEST(NewtonSchulzTest, EmptyStaysEmpty) {
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{0, 4}, {4, 0}, {0, 0}, {0, 3, 4}, {2, 0, 4}}) {
    EXPECT_EQ(newton_schulz(at::zeros(shape), {}).sizes(), shape);
  }
}

TEST(NewtonSchulzTest, TallEqualsWideTransposed) {
  const at::Tensor tall = random_matrices({9, 4});
  const at::Tensor wide = newton_schulz(tall.t(), {});
  EXPECT_LT(distance(newton_schulz(tall, {}), wide.t()), kDoubleTolerance);
}

TEST(NewtonSchulzTest, BatchEqualsSingles) {
  const at::Tensor batch = random_matrices({2, 3, 4, 6});
  const at::Tensor result = newton_schulz(batch, {});
  ASSERT_EQ(result.sizes(), batch.sizes());
  for (int64_t i = 0; i < 2; ++i) {
    for (int64_t j = 0; j < 3; ++j) {
      EXPECT_LT(distance(result[i][j], newton_schulz(batch[i][j], {})),
                kDoubleTolerance);
    }
  }
}

TEST(NewtonSchulzTest, LeavesInputAsItWas) {
  const at::Tensor matrix = random_matrices({4, 6});
  const at::Tensor before = matrix.clone();
  (void)newton_schulz(matrix, {});
  EXPECT_TRUE(at::equal(matrix, before));
}

TEST(NewtonSchulzTest, DefaultIsFiveOfJordansSteps) {
  const at::Tensor matrix = random_matrices({4, 6});
  EXPECT_TRUE(at::equal(newton_schulz(matrix, {}), newton_schulz(matrix, jordan(5))));
}

TEST(NewtonSchulzTest, RejectsVectorsAndOtherDtypes) {
  EXPECT_THROW((void)newton_schulz(at::ones({4}), {}), c10::Error);
  EXPECT_THROW((void)newton_schulz(at::ones({4, 4}, at::kBFloat16), {}), c10::Error);
  EXPECT_THROW((void)newton_schulz(at::ones({4, 4}, at::kLong), {}), c10::Error);
}

TEST(NewtonSchulzTest, RejectsBadEpsAndComputeDtype) {
  const at::Tensor matrix = at::ones({2, 2});
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double eps : {-1e-7, std::nan(""), infinity}) {
    EXPECT_THROW((void)newton_schulz(matrix, {.eps = eps}), c10::Error) << eps;
  }
  for (const at::ScalarType dtype : {at::kLong, at::kComplexFloat}) {
    EXPECT_THROW((void)newton_schulz(matrix, {.compute_dtype = dtype}), c10::Error);
  }
}

}  // namespace
}  // namespace shardopt
