#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/polar_support.h"
#include "shardopt/core/newton_schulz.h"

namespace shardopt {
namespace {

using test::distance;
using test::kNormalisers;
using test::largest_singular_value;
using test::random_matrices;

// Of four products in fp64.
constexpr double kRounding = 1e-13;
// Rounding of five steps in fp32, amplified by up to 3.4^5.
constexpr double kFloatTolerance = 2e-4;

at::Tensor normalised(const at::Tensor& matrices, Normaliser normaliser,
                      double eps = 0.0) {
  return newton_schulz(matrices, {.steps = {}, .normaliser = normaliser, .eps = eps});
}

double single(double entry, Normaliser normaliser, double eps,
              at::ScalarType dtype = at::kDouble) {
  return normalised(at::full({1, 1}, entry, dtype), normaliser, eps).item<double>();
}

TEST(NormaliserTest, BoundsTheLargestSingularValueByOne) {
  for (const auto& [name, matrix] : test::typical_matrices()) {
    for (const Normaliser normaliser : kNormalisers) {
      EXPECT_LT(largest_singular_value(normalised(matrix, normaliser)), 1.0 + kRounding)
          << name << ", normaliser " << static_cast<int>(normaliser);
    }
  }
}

TEST(NormaliserTest, HigherSchattenNormsAreTighter) {
  for (const auto& [name, matrix] : test::typical_matrices()) {
    const auto kept = [&](Normaliser normaliser) {
      return largest_singular_value(normalised(matrix, normaliser));
    };
    EXPECT_LT(kept(Normaliser::kFrobenius), kept(Normaliser::kS4) + kRounding) << name;
    EXPECT_LT(kept(Normaliser::kS4), kept(Normaliser::kS8) + kRounding) << name;
    EXPECT_NEAR(kept(Normaliser::kSpectral), 1.0, kRounding) << name;
  }
}

// diag(1, 2): ||.||_F^2 = 5, ||A||_F^2 = 1 + 16, ||A A||_F^2 = 1 + 256.
TEST(NormaliserTest, DiagonalMatrixWorkedByHand) {
  const at::Tensor matrix = at::diag(at::tensor({1.0, 2.0}, at::kDouble));
  const auto second = [&](Normaliser normaliser) {
    return normalised(matrix, normaliser)[1][1].item<double>();
  };
  EXPECT_NEAR(second(Normaliser::kFrobenius), 2.0 / std::sqrt(5.0), kRounding);
  EXPECT_NEAR(second(Normaliser::kSpectral), 1.0, kRounding);
  EXPECT_NEAR(second(Normaliser::kSchatten), 2.0 / std::pow(17.0, 0.25), kRounding);
  EXPECT_NEAR(second(Normaliser::kS4), 2.0 / std::pow(17.0, 0.25), kRounding);
  EXPECT_NEAR(second(Normaliser::kS8), 2.0 / std::pow(257.0, 0.125), kRounding);
}

// X = [[1, 1, 0], [0, 3, 4]]: A = [[2, 3], [3, 25]], row sums 5 and 28.
TEST(NormaliserTest, AolDividesEachRowOfTheWideSide) {
  const at::Tensor wide =
      at::tensor({1.0, 1.0, 0.0, 0.0, 3.0, 4.0}, at::kDouble).view({2, 3});
  const at::Tensor sums = at::tensor({5.0, 28.0}, at::kDouble).unsqueeze(1);
  EXPECT_LT(distance(normalised(wide, Normaliser::kAol), wide.div(sums.sqrt())),
            kRounding);
  EXPECT_LT(distance(normalised(wide, Normaliser::kAol, 9.0),
                     wide.div(sums.clamp_min(9.0).sqrt())),
            kRounding);
  EXPECT_LT(distance(normalised(wide.t(), Normaliser::kAol), wide.div(sums.sqrt()).t()),
            kRounding);
}

// A = 4: max(4, 16)^(1/2) = 4, max(4, 1)^(1/2) = 2.
TEST(NormaliserTest, EpsIsAFloorInTheUnitsOfTheGramMatrix) {
  for (const Normaliser normaliser : {Normaliser::kAol, Normaliser::kSchatten}) {
    EXPECT_DOUBLE_EQ(single(2.0, normaliser, 16.0), 0.5);
    EXPECT_DOUBLE_EQ(single(2.0, normaliser, 1.0), 1.0);
  }
}

// The same with X = 2^-80, 2^80 in fp32, which does not hold the square of either.
TEST(NormaliserTest, EpsHoldsWhereTheSquareOverflowsOrVanishes) {
  for (const int exponent : {-80, 80}) {
    const double entry = std::ldexp(1.0, exponent);
    const double floor = std::ldexp(1.0, 2 * exponent + 4);
    for (const Normaliser normaliser : {Normaliser::kAol, Normaliser::kSchatten}) {
      EXPECT_EQ(single(entry, normaliser, floor, at::kFloat), 0.25) << exponent;
      EXPECT_EQ(single(entry, normaliser, floor / 256, at::kFloat), 1.0) << exponent;
    }
  }
}

// 3 / (3 + 1)
TEST(NormaliserTest, EpsIsAddedToTheFrobeniusNorm) {
  EXPECT_DOUBLE_EQ(single(3.0, Normaliser::kFrobenius, 1.0), 0.75);
}

// fp32 does not hold 2^130: 2^126 / (2^126 + 2^130) = 1 / 17.
TEST(NormaliserTest, EpsMayExceedTheDtypesRange) {
  EXPECT_FLOAT_EQ(single(std::ldexp(1.0, 126), Normaliser::kFrobenius,
                         std::ldexp(1.0, 130), at::kFloat),
                  1.0 / 17);
}

TEST(NormaliserTest, SpectralAndSchattenPowersHaveNoEps) {
  for (const Normaliser normaliser :
       {Normaliser::kSpectral, Normaliser::kS4, Normaliser::kS8}) {
    EXPECT_EQ(single(3.0, normaliser, 1e10), 1.0);
  }
}

TEST(NormaliserTest, MatrixFarBelowEpsBecomesZero) {
  const at::Tensor tiny = at::full({2, 2}, 1e-30, at::kFloat);
  for (const Normaliser normaliser :
       {Normaliser::kFrobenius, Normaliser::kAol, Normaliser::kSchatten}) {
    EXPECT_TRUE(at::equal(normalised(tiny, normaliser, 1e300), at::zeros({2, 2})));
  }
}

// Powers of two change no bit of the mantissas.
TEST(NormaliserTest, ScaleChangesNoBit) {
  const at::Tensor matrix = random_matrices({6, 4}, at::kFloat);
  for (const Normaliser normaliser : kNormalisers) {
    const NewtonSchulzOptions options{.normaliser = normaliser};
    const at::Tensor expected = newton_schulz(matrix, options);
    for (const int exponent : {-66, -30, 30, 66}) {
      const at::Tensor scaled = matrix.mul(std::ldexp(1.0, exponent));
      EXPECT_TRUE(at::equal(newton_schulz(scaled, options), expected))
          << "2^" << exponent << ", normaliser " << static_cast<int>(normaliser);
    }
  }
}

TEST(NormaliserTest, ScalesFromTinyToHugeAgree) {
  const at::Tensor matrix = random_matrices({6, 4}, at::kFloat);
  for (const Normaliser normaliser : kNormalisers) {
    const NewtonSchulzOptions options{.normaliser = normaliser};
    const at::Tensor expected = newton_schulz(matrix, options);
    for (const double scale : {1e-20, 1e-10, 1e10, 1e20}) {
      EXPECT_LT(distance(newton_schulz(matrix.mul(scale), options), expected),
                kFloatTolerance)
          << scale << ", normaliser " << static_cast<int>(normaliser);
    }
  }
}

// The square of 1e-25 is no number in fp32: the row must not be blown up.
TEST(NormaliserTest, AolLeavesRowsSmallWhoseSquaresVanish) {
  const at::Tensor matrix = at::diag(at::tensor({1.0, 1e-25}, at::kFloat));
  const at::Tensor result = normalised(matrix, Normaliser::kAol);
  EXPECT_EQ(result[0][0].item<float>(), 1.0F);
  EXPECT_LE(result[1][1].item<float>(), 1.0F);
}

TEST(NormaliserTest, ZeroGivesZero) {
  const at::Tensor zero = at::zeros({2, 3, 5});
  for (const Normaliser normaliser : kNormalisers) {
    for (const double eps : {0.0, 1e-7}) {
      EXPECT_TRUE(
          at::equal(newton_schulz(zero, {.normaliser = normaliser, .eps = eps}), zero))
          << eps << ", normaliser " << static_cast<int>(normaliser);
    }
  }
}

TEST(NormaliserTest, NonFiniteEntryMakesItsMatrixNanAndNoOther) {
  const at::Tensor clean = random_matrices({3, 4, 5}, at::kFloat);
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Normaliser normaliser : kNormalisers) {
    for (const double bad : {std::nan(""), infinity, -infinity}) {
      at::Tensor matrices = clean.clone();
      matrices[1][2][3] = bad;

      const at::Tensor result = normalised(matrices, normaliser);

      EXPECT_TRUE(result[1].isnan().all().item<bool>()) << bad;
      for (const int64_t other : {0, 2}) {
        EXPECT_LT(distance(result[other], normalised(clean[other], normaliser)),
                  kFloatTolerance);
      }
    }
  }
}

}  // namespace
}  // namespace shardopt
