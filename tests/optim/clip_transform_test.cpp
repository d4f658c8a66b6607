#include <cmath>
#include <limits>

#include "optim/transform_testing.h"
#include "shardopt/optim/gradient_norm.h"

namespace shardopt::optim {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUlps = 1e-15;

std::vector<Parameter> pair() { return {zeros("a", 2), zeros("b", 1)}; }

// 3 and 4 have the norm 5 together; "a" keeps its second entry at 0.
std::vector<at::Tensor> three_and_four() {
  return {numbers({3.0, 0.0}), numbers({4.0})};
}

void step(Line& line, std::vector<at::Tensor> grads) {
  line.set(std::move(grads));
  ASSERT_TRUE(line.pipeline.collect());
  line.pipeline.transform();
}

TEST(ClipNormTest, ScalesToTheLargestNormAsKerasDoes) {
  Line line({{.name = "clip_norm", .max_norm = 1.0}}, {zeros("w", 2)});
  expect_near(line.pass(numbers({100.0, 100.0})),
              numbers({std::sqrt(0.5), std::sqrt(0.5)}), kUlps);
}

TEST(ClipNormTest, TakesEachParameterAlone) {
  Line line({{.name = "clip_norm", .max_norm = 3.5}}, pair());
  step(line, three_and_four());
  expect_equal(line.grad(0), numbers({3.0, 0.0}));
  expect_equal(line.grad(1), numbers({3.5}));
}

TEST(ClipNormTest, LeavesZeroAndWhatIsSmall) {
  Line line({{.name = "clip_norm", .max_norm = 0.3}}, {zeros("w", 2)});
  expect_equal(line.pass(numbers({0.0, 0.0})), numbers({0.0, 0.0}));
  expect_equal(line.pass(numbers({0.1, -0.2})), numbers({0.1, -0.2}));
}

TEST(ClipNormTest, NormThatIsNanMakesThatGradientNanOnly) {
  Line line({{.name = "clip_norm", .max_norm = 1.0}}, pair());
  step(line, {numbers({std::nan(""), 1.0}), numbers({0.5})});
  EXPECT_TRUE(line.grad(0).isnan().all().item<bool>());
  expect_equal(line.grad(1), numbers({0.5}));
}

TEST(ClipValueTest, ClampsBothWaysAndMakesNanOfWhatIsNotFinite) {
  Line line({{.name = "clip_value", .value = 1.0}}, {zeros("w", 3)});
  expect_equal(line.pass(numbers({100.0, -100.0, 0.5})), numbers({1.0, -1.0, 0.5}));
  for (const double wrong : {kInfinity, -kInfinity, std::nan("")}) {
    EXPECT_TRUE(line.pass(numbers({wrong, 0.0, 0.0}))[0].isnan().item<bool>());
  }
}

TEST(ClipGlobalNormTest, ScalesByTheNormOfAllAsKerasDoes) {
  Line line({{.name = "clip_global_norm", .max_norm = 1.0}}, pair());
  step(line, three_and_four());
  expect_near(line.grad(0), numbers({0.6, 0.0}), kUlps);
  expect_near(line.grad(1), numbers({0.8}), kUlps);
  Line alone({{.name = "clip_global_norm", .max_norm = 1.0}}, {zeros("w", 2)});
  expect_near(alone.pass(numbers({50.0, 100.0})),
              numbers({std::sqrt(0.2), std::sqrt(0.8)}), kUlps);
}

TEST(ClipGlobalNormTest, LeavesZeroAndWhatIsSmall) {
  Line line({{.name = "clip_global_norm", .max_norm = 0.3}}, {zeros("w", 2)});
  expect_equal(line.pass(numbers({0.0, 0.0})), numbers({0.0, 0.0}));
  expect_equal(line.pass(numbers({0.1, -0.2})), numbers({0.1, -0.2}));
}

TEST(ClipGlobalNormTest, NormThatIsNotFiniteMakesEveryGradientNan) {
  for (const double bad : {kInfinity, -kInfinity, std::nan("")}) {
    Line line({{.name = "clip_global_norm", .max_norm = 1.0}}, pair());
    step(line, {numbers({bad, 1.0}), numbers({4.0})});
    EXPECT_TRUE(line.grad(0).isnan().all().item<bool>());
    EXPECT_TRUE(line.grad(1).isnan().all().item<bool>());
  }
}

TEST(ClipGlobalNormTest, FormTorchHasItsEpsAndLeavesWhatIsNotFinite) {
  Line line({{.name = "clip_global_norm", .max_norm = 1.0, .form = "torch"}}, pair());
  step(line, three_and_four());
  const double factor = clip_factor(5.0, 1.0);
  EXPECT_LT(factor, 0.2);
  expect_equal(line.grad(0), numbers({3.0 * factor, 0.0}));
  expect_equal(line.grad(1), numbers({4.0 * factor}));
  step(line, {numbers({kInfinity, 1.0}), numbers({4.0})});
  expect_equal(line.grad(0), numbers({kInfinity, 1.0}));
  expect_equal(line.grad(1), numbers({4.0}));
}

// A norm that is not the gradients' shows that it is taken.
TEST(ClipGlobalNormTest, TakesTheKnownNormOfItsStepOnly) {
  Line line({{.name = "clip_global_norm", .max_norm = 1.0}}, pair());
  line.set(three_and_four());
  ASSERT_TRUE(line.pipeline.collect());
  line.pipeline.transform(2.0);
  expect_equal(line.grad(1), numbers({2.0}));
  step(line, three_and_four());
  expect_near(line.grad(1), numbers({0.8}), kUlps);
}

TEST(ClipGlobalNormTest, TakesNoKnownNormAfterAnotherTransform) {
  Line line({{.name = "clip_value", .value = 3.0},
             {.name = "clip_global_norm", .max_norm = 1.0}},
            pair());
  line.set(three_and_four());
  ASSERT_TRUE(line.pipeline.collect());
  line.pipeline.transform(100.0);
  expect_near(line.grad(1), numbers({std::sqrt(0.5)}), kUlps);
}

TEST(ClipTest, ParameterWithoutGradientIsLeftOut) {
  for (const char* name : {"clip_norm", "clip_global_norm"}) {
    Line line({{.name = name, .max_norm = 1.0}}, pair());
    step(line, {at::Tensor(), numbers({4.0})});
    EXPECT_FALSE(line.grad(0).defined());
    expect_equal(line.grad(1), numbers({1.0}));
    step(line, {at::Tensor(), at::Tensor()});
    EXPECT_FALSE(line.grad(1).defined());
  }
}

// (6, 8) -> (6, 6) -> norm 3, or -> norm 3, which the clamp leaves.
TEST(ClipTest, TwoFormsApplyInTheOrderOfTheList) {
  const TransformRule value{.name = "clip_value", .value = 6.0};
  const TransformRule norm{.name = "clip_norm", .max_norm = 3.0};
  Line first({value, norm}, {zeros("w", 2)});
  expect_near(first.pass(numbers({6.0, 8.0})),
              numbers({std::sqrt(4.5), std::sqrt(4.5)}), kUlps);
  Line second({norm, value}, {zeros("w", 2)});
  expect_near(second.pass(numbers({6.0, 8.0})), numbers({1.8, 2.4}), kUlps);
}

}  // namespace
}  // namespace shardopt::optim
