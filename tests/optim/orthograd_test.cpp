// OrthoGrad against a vector of an independent program, and its limits.
#include <cmath>

#include "optim/transform_testing.h"

namespace shardopt::optim {
namespace {

constexpr double kPrinted = 1e-9;  // of the vector

at::Tensor project(const at::Tensor& weight, const at::Tensor& grad) {
  Line line({{.name = "orthograd"}}, {whole("w", weight.clone())});
  const at::Tensor result = line.pass(grad);
  expect_equal(line.parameters.front().rows, weight);
  return result;
}

TEST(OrthoGradTest, FollowsItsVector) {
  const at::Tensor weight = numbers({0.5, -0.3, 0.8, -0.2, 0.9, 0.1}).view({2, 3});
  const at::Tensor grad = numbers({0.1, -0.2, 0.3, 0.4, 0.05, -0.6}).view({2, 3});

  const at::Tensor result = project(weight, grad);

  expect_near(result,
              numbers({0.0315598026, -0.1628262380, 0.1943860405, 0.4396029134,
                       -0.0768048292, -0.6309167608})
                  .view({2, 3}),
              kPrinted);
  EXPECT_NEAR((weight * result).sum().item<double>(), 0.0, 1e-15);
  EXPECT_NEAR(result.norm().item<double>(), grad.norm().item<double>(), 1e-15);
}

// (3, 4) is 3 along (1, 0); what is left, (0, 4), gets the norm 5.
TEST(OrthoGradTest, KeepsTheNorm) {
  expect_near(project(numbers({1.0, 0.0}), numbers({3.0, 4.0})), numbers({0.0, 5.0}),
              1e-15);
}

TEST(OrthoGradTest, GradientAlongTheWeightsBecomesZero) {
  const at::Tensor weight = at::arange(1, 101, at::kFloat).sin();
  expect_equal(project(weight, weight * -3.7), at::zeros({100}, at::kFloat));
}

TEST(OrthoGradTest, LeastShareThatIsKeptIsAMillionth) {
  const at::Tensor weight = numbers({1.0, 0.0});
  expect_equal(project(weight, numbers({1.0, 0.9e-6})), numbers({0.0, 0.0}));
  EXPECT_NEAR(project(weight, numbers({1.0, 1.1e-6})).norm().item<double>(), 1.0, 1e-9);
}

TEST(OrthoGradTest, WeightsOfZeroAndOfOneEntryKeepTheGradient) {
  expect_equal(project(numbers({0.0, 0.0}), numbers({1e-30, 0.0})),
               numbers({1e-30, 0.0}));
  expect_equal(project(numbers({2.0}), numbers({3.0})), numbers({3.0}));
  expect_equal(
      project(at::full({1, 1}, 2.0, at::kDouble), at::ones({1, 1}, at::kDouble)),
      at::ones({1, 1}, at::kDouble));
}

TEST(OrthoGradTest, ZeroGradientStaysZero) {
  expect_equal(project(numbers({1.0, 2.0}), numbers({0.0, 0.0})), numbers({0.0, 0.0}));
}

TEST(OrthoGradTest, GradientThatIsNanStaysSo) {
  EXPECT_TRUE(project(numbers({1.0, 2.0}), numbers({std::nan(""), 0.0}))
                  .isnan()
                  .any()
                  .item<bool>());
}

// The golden order of the authors' recipes: only OrthoGrad last ends orthogonal.
TEST(OrthoGradTest, OrderWithGrokFastMatters) {
  const at::Tensor weight = numbers({1.0, 2.0, -1.0});
  const auto end = [&](const char* first, const char* second) {
    Line line({{.name = first}, {.name = second}}, {whole("w", weight.clone())});
    line.pass(numbers({0.3, -0.2, 0.5}));
    line.parameters.front().rows.add_(numbers({0.5, -0.5, 0.25}));
    const at::Tensor grad = line.pass(numbers({-0.1, 0.4, 0.2}));
    return std::abs((line.parameters.front().rows * grad).sum().item<double>());
  };
  EXPECT_LE(end("grokfast_ema", "orthograd"), 1e-14);
  EXPECT_GT(end("orthograd", "grokfast_ema"), 1e-2);
}

}  // namespace
}  // namespace shardopt::optim
