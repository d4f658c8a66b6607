#include "shardopt/core/newton_schulz.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "shardopt/core/random.h"

namespace shardopt {
namespace {

// Rounding of five steps of small products, amplified by up to 3.4^5.
constexpr double kFloatTolerance = 2e-4;
constexpr double kDoubleTolerance = 1e-12;

at::Tensor random_matrices(at::IntArrayRef shape, at::ScalarType dtype = at::kDouble) {
  return at::randn(shape, make_named_generator(1, "newton_schulz"), dtype);
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

double distance(const at::Tensor& a, const at::Tensor& b) {
  return a.to(at::kDouble).sub(b.to(at::kDouble)).abs().max().item<double>();
}

TEST(NewtonSchulzTest, MapsSingularValuesByThePolynomial) {
  for (const auto& shape : {std::pair(4, 4), std::pair(3, 8), std::pair(9, 5),
                            std::pair(1, 6), std::pair(6, 1)}) {
    const at::Tensor matrix = random_matrices({shape.first, shape.second});
    for (const int64_t steps : {0, 1, 5, 8}) {
      const at::Tensor expected = by_singular_values(matrix, steps);
      EXPECT_LT(distance(newton_schulz(matrix, {.steps = steps}), expected),
                kDoubleTolerance)
          << shape.first << " x " << shape.second << ", " << steps << " steps";
      EXPECT_LT(
          distance(newton_schulz(matrix.to(at::kFloat), {.steps = steps}), expected),
          kFloatTolerance);
    }
  }
}

TEST(NewtonSchulzTest, OtherCoefficientsConverge) {
  const at::Tensor matrix = random_matrices({5, 7});
  const auto [u, s, vt] = at::linalg_svd(matrix, /*full_matrices=*/false);
  const NewtonSchulzOptions cubic{.steps = 60, .step = {1.5, -0.5, 0.0}};
  EXPECT_LT(distance(newton_schulz(matrix, cubic), u.matmul(vt)), kDoubleTolerance);
}

// The least and the greatest image of singular values from [least, 1], each beside
// sqrt(1 - s^2) in a matrix of norm 1.
std::pair<double, double> band(double least, int64_t steps) {
  const at::Tensor s = at::linspace(least, 1.0, 20001, at::kDouble);
  const at::Tensor other = s.mul(s).neg().add(1.0).clamp_min(0.0).sqrt();
  const at::Tensor matrices = at::diag_embed(at::stack({s, other}, 1));  // [*, 2, 2]
  const at::Tensor image =
      newton_schulz(matrices, {.steps = steps}).select(1, 0).select(1, 0);
  return {image.min().item<double>(), image.max().item<double>()};
}

TEST(NewtonSchulzTest, OneIsNoFixedPoint) {
  const at::Tensor one = at::ones({1, 1}, at::kDouble);
  EXPECT_NEAR(newton_schulz(one, {.steps = 1}).item<double>(), 0.701, 1e-12);
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

// Powers of two change no bit of the mantissas.
TEST(NewtonSchulzTest, ScaleChangesNoBit) {
  const at::Tensor matrix = random_matrices({6, 4}, at::kFloat);
  const at::Tensor expected = newton_schulz(matrix, {});
  for (const int exponent : {-66, -30, 30, 66}) {
    const at::Tensor scaled = matrix.mul(std::ldexp(1.0, exponent));
    EXPECT_TRUE(at::equal(newton_schulz(scaled, {}), expected)) << "2^" << exponent;
  }
}

TEST(NewtonSchulzTest, ScalesFromTinyToHugeAgree) {
  const at::Tensor matrix = random_matrices({6, 4}, at::kFloat);
  const at::Tensor expected = newton_schulz(matrix, {});
  for (const double scale : {1e-20, 1e-10, 1e10, 1e20}) {
    EXPECT_LT(distance(newton_schulz(matrix.mul(scale), {}), expected), kFloatTolerance)
        << scale;
  }
}

// 3 / (3 + 1)
TEST(NewtonSchulzTest, EpsIsAddedToTheNorm) {
  const at::Tensor three = at::full({1, 1}, 3.0, at::kDouble);
  EXPECT_DOUBLE_EQ(newton_schulz(three, {.steps = 0, .eps = 1.0}).item<double>(), 0.75);
}

TEST(NewtonSchulzTest, MatrixFarBelowEpsBecomesZero) {
  const at::Tensor tiny = at::full({2, 2}, 1e-30, at::kFloat);
  EXPECT_TRUE(at::equal(newton_schulz(tiny, {.eps = 1e10}), at::zeros({2, 2})));
}

TEST(NewtonSchulzTest, ZeroGivesZero) {
  const at::Tensor zero = at::zeros({2, 3, 5});
  EXPECT_TRUE(at::equal(newton_schulz(zero, {}), zero));
  EXPECT_TRUE(at::equal(newton_schulz(zero, {.eps = 1e-7}), zero));
}

TEST(NewtonSchulzTest, NonFiniteEntryMakesItsMatrixNanAndNoOther) {
  const at::Tensor clean = random_matrices({3, 4, 5}, at::kFloat);
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {std::nan(""), infinity, -infinity}) {
    at::Tensor matrices = clean.clone();
    matrices[1][2][3] = bad;

    const at::Tensor result = newton_schulz(matrices, {});

    EXPECT_TRUE(result[1].isnan().all().item<bool>()) << bad;
    EXPECT_LT(distance(result[0], newton_schulz(clean[0], {})), kFloatTolerance);
    EXPECT_LT(distance(result[2], newton_schulz(clean[2], {})), kFloatTolerance);
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

TEST(NewtonSchulzTest, RejectsVectorsAndOtherDtypes) {
  EXPECT_THROW((void)newton_schulz(at::ones({4}), {}), c10::Error);
  EXPECT_THROW((void)newton_schulz(at::ones({4, 4}, at::kBFloat16), {}), c10::Error);
  EXPECT_THROW((void)newton_schulz(at::ones({4, 4}, at::kLong), {}), c10::Error);
}

}  // namespace
}  // namespace shardopt
