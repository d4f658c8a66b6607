// GrokFast against vectors of an independent program, and by hand.
#include "optim/transform_testing.h"

namespace shardopt::optim {
namespace {

constexpr double kPrinted = 1e-9;  // of the vectors
constexpr double kUlps = 1e-15;

at::Tensor matrix(const std::vector<double>& values) {
  return numbers(values).view({2, 3});
}

const std::vector<at::Tensor>& gradients() {
  static const std::vector<at::Tensor> list = {
      matrix({0.1, -0.2, 0.3, 0.4, 0.05, -0.6}),
      matrix({-0.3, 0.1, 0.2, 0.1, -0.4, 0.5}),
      matrix({0.2, 0.3, -0.1, -0.5, 0.2, 0.1})};
  return list;
}

void expect_course(const TransformRule& rule, const std::vector<at::Tensor>& expected) {
  Line line({rule}, {ones("w")});
  for (std::size_t i = 0; i < expected.size(); ++i) {
    expect_near(line.pass(gradients()[i]), expected[i], kPrinted);
  }
}

TEST(GrokFastEmaTest, StartsWithTheFirstGradientByDefault) {
  expect_course({.name = "grokfast_ema"},
                {matrix({0.3, -0.6, 0.9, 1.2, 0.15, -1.8}),
                 matrix({-0.116, -0.288, 0.796, 0.888, -0.318, -0.656}),
                 matrix({0.38832, -0.06824, 0.48008, 0.25224, 0.28836, -1.02888})});
}

TEST(GrokFastEmaTest, StartsWithZeroIfToldTo) {
  expect_course(
      {.name = "grokfast_ema", .alpha = 0.98, .lamb = 2.0, .init = "zero"},
      {matrix({0.104, -0.208, 0.312, 0.416, 0.052, -0.624}),
       matrix({-0.30808, 0.09616, 0.21976, 0.11968, -0.41404, 0.49648}),
       matrix({0.2000816, 0.3082368, -0.0846352, -0.5007136, 0.1942408, 0.1005504})});
}

TEST(GrokFastMaTest, AddsTheMeanOnceTheWindowIsFull) {
  expect_course({.name = "grokfast_ma", .window = 2},
                {gradients()[0], matrix({-0.8, -0.15, 1.45, 1.35, -1.275, 0.25}),
                 matrix({-0.05, 1.3, 0.15, -1.5, -0.3, 1.6})});
}

std::vector<double> course(const TransformRule& rule,
                           const std::vector<double>& grads) {
  Line line({rule}, {zeros("w", 1)});
  std::vector<double> result;
  for (const double grad : grads) {
    result.push_back(line.pass(numbers({grad})).item<double>());
  }
  return result;
}

// 3 + 3; 1 + (3 + 1) / 2; 2 + (3 + 1 + 2) / 3; 6 + (1 + 2 + 6) / 3.
TEST(GrokFastMaTest, WithoutWarmupTakesTheMeanOfWhatThereIs) {
  EXPECT_EQ(course({.name = "grokfast_ma", .lamb = 1.0, .window = 3, .warmup = false},
                   {3.0, 1.0, 2.0, 6.0}),
            (std::vector{6.0, 3.0, 4.0, 9.0}));
}

// 3 + 2 * 3; 1 + 2 * (3 + 1); 2 + 2 * (1 + 2).
TEST(GrokFastMaTest, FilterSumAddsTheSum) {
  EXPECT_EQ(course({.name = "grokfast_ma",
                    .lamb = 2.0,
                    .window = 2,
                    .filter = "sum",
                    .warmup = false},
                   {3.0, 1.0, 2.0}),
            (std::vector{9.0, 9.0, 8.0}));
}

TEST(GrokFastMaTest, TriggerWithWarmupNeverApplies) {
  const std::vector<double> grads = {3.0, 1.0, 2.0};
  EXPECT_EQ(course({.name = "grokfast_ma", .window = 2, .trigger = true}, grads),
            grads);
}

TEST(GrokFastMaTest, TriggerWithoutWarmupChangesNothing) {
  TransformRule rule{.name = "grokfast_ma", .window = 2, .warmup = false};
  const std::vector<double> grads = {3.0, 1.0, 2.0};
  const std::vector<double> without = course(rule, grads);
  rule.trigger = true;
  EXPECT_EQ(course(rule, grads), without);
  EXPECT_NE(without, grads);
}

// The second step is the first of "b", and none of "a".
TEST(GrokFastTest, MissingGradientLeavesTheStateOfItsParameter) {
  for (const TransformRule& rule :
       {TransformRule{.name = "grokfast_ema"}, {.name = "grokfast_ma", .window = 2}}) {
    Line line({rule}, {zeros("a", 1), zeros("b", 1)});
    Line undisturbed({rule}, {zeros("a", 1)});
    const std::vector<std::vector<at::Tensor>> steps = {
        {numbers({3.0}), at::Tensor()},
        {at::Tensor(), numbers({5.0})},
        {numbers({1.0}), numbers({2.0})}};
    for (const auto& grads : steps) {
      line.set(grads);
      ASSERT_TRUE(line.pipeline.collect());
      line.pipeline.transform();
      if (!grads[0].defined()) continue;
      expect_equal(line.grad(0), undisturbed.pass(grads[0]));
    }
    Line other({rule}, {zeros("b", 1)});
    other.pass(numbers({5.0}));
    expect_equal(line.grad(1), other.pass(numbers({2.0})));
  }
}

// 1 + 5 (3 + 1) / 2, though 3 was erased where it stood.
TEST(GrokFastMaTest, KeepsACopyOfGradientsThatAreErasedInPlace) {
  Line line({{.name = "grokfast_ma", .window = 2}}, {zeros("w", 1)});
  line.pass(numbers({3.0})).zero_();
  expect_near(line.pass(numbers({1.0})), numbers({11.0}), kUlps);
}

}  // namespace
}  // namespace shardopt::optim
