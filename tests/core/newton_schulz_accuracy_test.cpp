#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>

#include "core/polar_support.h"
#include "shardopt/core/coefficients.h"
#include "shardopt/core/newton_schulz.h"

namespace shardopt {
namespace {

using test::distance;
using test::random_matrices;

struct Mode {
  std::string table;
  std::optional<int64_t> steps;
  Normaliser normaliser;
  at::ScalarType matrices;
  at::ScalarType compute;
  /// Deviation of the table over [0.01 / bound, 1], and rounding on top.
  double tolerance;
};

const Mode kModes[] = {
    {"exact13", {}, Normaliser::kFrobenius, at::kDouble, at::kDouble, 1e-13},
    {"exact13", {}, Normaliser::kSpectral, at::kFloat, at::kDouble, 5e-7},
    {"acc8", {}, Normaliser::kS4, at::kDouble, at::kDouble, 7e-5},
    {"acc8", {}, Normaliser::kFrobenius, at::kFloat, at::kFloat, 8e-5},
    {"acc6", {}, Normaliser::kFrobenius, at::kFloat, at::kFloat, 2.5e-3},
    {"acc6", {}, Normaliser::kS8, at::kDouble, at::kDouble, 2.5e-3},
    {"std5", {}, Normaliser::kSchatten, at::kFloat, at::kFloat, 8.8e-3},
    {"fast4", {}, Normaliser::kSpectral, at::kFloat, at::kFloat, 1.75e-2},
    {"cesista8", {}, Normaliser::kS4, at::kFloat, at::kFloat, 1e-3},
    {"polar_express", {}, Normaliser::kFrobenius, at::kDouble, at::kDouble, 1e-13},
    {"polar_express5", {}, Normaliser::kFrobenius, at::kFloat, at::kFloat, 0.142},
    {"deepseek10", {}, Normaliser::kFrobenius, at::kFloat, at::kFloat, 6e-4},
    {"jordan", {}, Normaliser::kFrobenius, at::kFloat, at::kFloat, 0.32},
    {"cubic", 24, Normaliser::kS4, at::kDouble, at::kDouble, 1e-13},
    {"quintic", 16, Normaliser::kS8, at::kDouble, at::kDouble, 1e-13},
    {"acc6", {}, Normaliser::kS4, at::kFloat, at::kBFloat16, 0.02},
    {"acc6", {}, Normaliser::kS4, at::kFloat, at::kHalf, 3e-3},
    {"polar_express5", {}, Normaliser::kFrobenius, at::kDouble, at::kBFloat16, 0.15},
};

std::string text(const Mode& mode, const std::string& matrix) {
  return c10::str(matrix, ": ", mode.table, ", normaliser ",
                  static_cast<int>(mode.normaliser), ", ", mode.compute);
}

// Root mean square of U^T (result - U V^T) over the left singular directions U whose
// values are at least a thousandth of the largest: others may be noise of rounding,
// which the steps raise as they raise any small value.
double error(const at::Tensor& result, const at::Tensor& matrix) {
  const auto [u, s, vt] =
      at::linalg_svd(matrix.to(at::kDouble), /*full_matrices=*/false);
  const int64_t count = s.ge(s[0].item<double>() * 1e-3).sum().item<int64_t>();
  const at::Tensor image =  // [count, cols]
      u.narrow(1, 0, count).t().matmul(result.to(at::kDouble));
  return image.sub(vt.narrow(0, 0, count)).norm().item<double>() /
         std::sqrt(static_cast<double>(count));
}

at::Tensor rows_of_very_different_norm() {
  const at::Tensor norms = at::logspace(0.0, -2.6, 16, 10.0, at::kDouble);
  return random_matrices({16, 48}).mul(norms.unsqueeze(1));
}

TEST(NewtonSchulzAccuracyTest, EachModeReachesThePolarFactorWithinItsTolerance) {
  for (const Mode& mode : kModes) {
    const NewtonSchulzOptions options{
        .steps = coefficient_steps(mode.table, mode.steps),
        .normaliser = mode.normaliser,
        .compute_dtype = mode.compute};
    for (const auto& [name, matrix] : test::typical_matrices()) {
      const at::Tensor result = newton_schulz(matrix.to(mode.matrices), options);
      EXPECT_EQ(result.scalar_type(), mode.matrices) << text(mode, name);
      EXPECT_LT(error(result, matrix), mode.tolerance) << text(mode, name);
    }
  }
}

// 5 steps end within [0, 1.2024], 1.15 and 1.02 at every precision, whatever comes in.
TEST(NewtonSchulzAccuracyTest, SingularValuesStayBelowTheTablesGreatest) {
  constexpr double kHalfRounding = 0.02;
  for (const auto& [table, greatest] :
       {std::pair("jordan", 1.2024), std::pair("polar_express5", 1.1412),
        std::pair("fast4", 1.0175), std::pair("std5", 1.0088),
        std::pair("acc6", 1.0025)}) {
    for (const at::ScalarType compute : {at::kFloat, at::kBFloat16, at::kHalf}) {
      for (const auto& [name, matrix] : test::typical_matrices()) {
        const at::Tensor result =
            newton_schulz(matrix, {.steps = coefficient_steps(table, std::nullopt),
                                   .normaliser = Normaliser::kS8,
                                   .compute_dtype = compute});
        EXPECT_LT(test::largest_singular_value(result), greatest + kHalfRounding)
            << name << ", " << table << ", " << compute;
      }
    }
  }
}

// Turbo-Muon orthogonalizes diag(s) X: the polar factor of X if rows are alike only.
TEST(NewtonSchulzAccuracyTest, AolGivesThePolarFactorOfTheRescaledRows) {
  const at::Tensor rows = rows_of_very_different_norm();
  const at::Tensor scale =
      rows.matmul(rows.t()).abs().sum({1}, /*keepdim=*/true).rsqrt();

  const at::Tensor result = newton_schulz(
      rows,
      {.steps = coefficient_steps("quintic", 20), .normaliser = Normaliser::kAol});

  EXPECT_LT(error(result, rows.mul(scale)), 1e-12);
  EXPECT_GT(error(result, rows), 0.05);
}

TEST(NewtonSchulzAccuracyTest, RowsOfVeryDifferentNormAreNoMatterToOtherNormalisers) {
  const at::Tensor rows = rows_of_very_different_norm();
  for (const Normaliser normaliser :
       {Normaliser::kFrobenius, Normaliser::kS4, Normaliser::kS8}) {
    const NewtonSchulzOptions options{.steps = coefficient_steps("acc8", std::nullopt),
                                      .normaliser = normaliser};
    EXPECT_LT(error(newton_schulz(rows, options), rows), 8e-5);
  }
}

// From Keras's own test of its Muon.
TEST(NewtonSchulzAccuracyTest, AgreesWithKeras) {
  const at::Tensor matrix = at::tensor({0.2499, 0.9105, 0.2655, 0.8824}, at::kDouble);
  const at::Tensor expected = at::tensor({-0.442, 0.646, 0.728, 0.297}, at::kDouble);
  EXPECT_LT(distance(newton_schulz(matrix.view({2, 2}), {}), expected.view({2, 2})),
            1e-3);
}

TEST(NewtonSchulzAccuracyTest, ComputesInTheDtypeAskedFor) {
  const at::Tensor matrix = random_matrices({6, 9}, at::kFloat);
  EXPECT_TRUE(at::equal(newton_schulz(matrix, {.compute_dtype = at::kDouble}),
                        newton_schulz(matrix.to(at::kDouble), {}).to(at::kFloat)));
  EXPECT_TRUE(at::equal(newton_schulz(matrix, {.compute_dtype = at::kFloat}),
                        newton_schulz(matrix, {})));
  for (const at::ScalarType half : {at::kBFloat16, at::kHalf}) {
    const at::Tensor result = newton_schulz(matrix, {.compute_dtype = half});
    EXPECT_TRUE(at::equal(result, result.to(half).to(at::kFloat))) << half;
  }
}

}  // namespace
}  // namespace shardopt
