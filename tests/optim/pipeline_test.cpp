#include "shardopt/optim/gradient_pipeline.h"

#include <cmath>

#include "optim/transform_testing.h"
#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

const TransformRule kAccumulate2{.name = "accumulate", .steps = 2};
const TransformRule kAccumulate3{.name = "accumulate", .steps = 3};

LossScale fixed_scale(double scale) {
  return LossScale({.mode = LossScaleMode::kStatic, .scale = scale});
}

TEST(GradientPipelineTest, WithoutRulesLeavesGradientsAndIsDueAtOnce) {
  Line line({}, {zeros("w", 2)});
  expect_equal(line.pass(numbers({3.0, 4.0})), numbers({3.0, 4.0}));
  EXPECT_EQ(line.pipeline.window(), 1);
}

TEST(GradientPipelineTest, DividesByTheLossScaleWhetherTheRulesSaySoOrNot) {
  const LossScale scale = fixed_scale(3.0);
  for (const std::vector<TransformRule>& rules :
       {std::vector<TransformRule>{}, {{.name = "unscale"}}}) {
    Line line(rules, {zeros("w", 2)}, &scale);
    expect_equal(line.pass(numbers({1.0, 6.0})), numbers({1.0 / 3.0, 2.0}));
  }
}

TEST(GradientPipelineTest, LossScaleOfModeNoneIsNone) {
  const LossScale scale{LossScaleOptions{}};
  Line line({}, {zeros("w", 1)}, &scale);
  expect_equal(line.pass(numbers({6.0})), numbers({6.0}));
}

// 8 / 4 = 2 is clipped to 1; before unscaling nothing would be left of the scale.
TEST(GradientPipelineTest, UnscalesBeforeOtherTransforms) {
  const LossScale scale = fixed_scale(4.0);
  Line line({{.name = "clip_value", .value = 1.0}}, {zeros("w", 2)}, &scale);
  expect_equal(line.pass(numbers({8.0, 2.0})), numbers({1.0, 0.5}));
}

TEST(AccumulationTest, GivesTheMeanOfTheWindow) {
  Line line({kAccumulate3}, {zeros("w", 2)});
  EXPECT_EQ(line.pipeline.window(), 3);
  for (int window = 0; window < 2; ++window) {
    line.set({numbers({1.0, 2.0})});
    EXPECT_FALSE(line.pipeline.collect());
    line.set({numbers({2.0, 4.0})});
    EXPECT_FALSE(line.pipeline.collect());
    line.set({numbers({6.0, -3.0})});
    EXPECT_TRUE(line.pipeline.collect());
    expect_equal(line.grad(), numbers({3.0, 1.0}));
  }
}

// "a" has 6 in one of three micro-steps and "b" in none; the last has none at all.
TEST(AccumulationTest, MissingGradientsCountAsZerosIfThereIsAnyInTheWindow) {
  Line line({kAccumulate3}, {zeros("a", 1), zeros("b", 1)});
  line.set({numbers({6.0}), at::Tensor()});
  EXPECT_FALSE(line.pipeline.collect());
  line.set({at::Tensor(), at::Tensor()});
  EXPECT_FALSE(line.pipeline.collect());
  EXPECT_TRUE(line.pipeline.collect());
  expect_equal(line.grad(0), numbers({2.0}));
  EXPECT_FALSE(line.grad(1).defined());
}

// Each micro-step is clamped to 1, their mean to 0.75.
TEST(AccumulationTest, RulesBeforeItApplyToMicroStepsAndThoseAfterToTheMean) {
  Line line({{.name = "clip_value", .value = 1.0},
             kAccumulate2,
             {.name = "clip_value", .value = 0.75}},
            {zeros("w", 2)});
  line.set({numbers({5.0, 0.25})});
  EXPECT_FALSE(line.pipeline.collect());
  line.set({numbers({0.25, 5.0})});
  EXPECT_TRUE(line.pipeline.collect());
  expect_equal(line.grad(), numbers({0.625, 0.625}));
  line.set({numbers({5.0, 0.0})});
  EXPECT_FALSE(line.pipeline.collect());
  line.set({numbers({5.0, 0.0})});
  EXPECT_TRUE(line.pipeline.collect());
  line.pipeline.transform();
  expect_equal(line.grad(), numbers({0.75, 0.0}));
}

TEST(AccumulationTest, OverwrittenParametersGetTheirLargestGradientUntouched) {
  const LossScale scale = fixed_scale(2.0);
  Line line({kAccumulate3, {.name = "clip_value", .value = 1.0}},
            {zeros("w", 1), zeros("fp8_scale", 2)}, &scale, {"fp8_scale"});
  line.set({numbers({12.0}), numbers({-7.0, 2.0})});
  EXPECT_FALSE(line.pipeline.collect());
  line.set({numbers({12.0}), at::Tensor()});
  EXPECT_FALSE(line.pipeline.collect());
  line.set({numbers({12.0}), numbers({-9.0, 5.0})});
  EXPECT_TRUE(line.pipeline.collect());
  expect_equal(line.grad(0), numbers({6.0}));
  line.pipeline.transform();
  expect_equal(line.grad(0), numbers({1.0}));
  expect_equal(line.grad(1), numbers({-7.0, 5.0}));
  ASSERT_EQ(line.pipeline.transformed().size(), 1U);
  EXPECT_EQ(line.pipeline.transformed().front().name, "w");
}

TEST(GradientPipelineTest, DropForgetsTheWindowAndMovesNoState) {
  Line line({kAccumulate2, {.name = "grokfast_ema"}}, {zeros("w", 1)});
  Line undisturbed({kAccumulate2, {.name = "grokfast_ema"}}, {zeros("w", 1)});
  const auto update = [](Line& each, double grad) {
    each.set({numbers({grad})});
    EXPECT_FALSE(each.pipeline.collect());
    each.set({numbers({grad})});
    EXPECT_TRUE(each.pipeline.collect());
    each.pipeline.transform();
    return each.grad();
  };
  update(line, 3.0);
  update(undisturbed, 3.0);
  line.set({numbers({std::nan("")})});
  EXPECT_FALSE(line.pipeline.collect());
  line.pipeline.drop();  // in the middle
  line.set({numbers({std::nan("")})});
  EXPECT_FALSE(line.pipeline.collect());
  EXPECT_TRUE(line.pipeline.collect());
  line.pipeline.drop();  // of an update that was due

  expect_same_state(line.pipeline.state(), undisturbed.pipeline.state());
  expect_equal(update(line, 1.0), update(undisturbed, 1.0));
}

std::string complaint(const std::vector<TransformRule>& rules, bool has_scale = true) {
  return message_of<ConfigError>([&] { check_transforms(rules, has_scale); });
}

TEST(GradientPipelineTest, OrderThatCannotWorkIsRefused) {
  const TransformRule clip{.name = "clip_value", .value = 1.0};
  const TransformRule unscale{.name = "unscale"};
  EXPECT_EQ(complaint({unscale, clip, kAccumulate2, {.name = "grokfast_ema"}}), "");
  expect_contains(complaint({clip, unscale}),
                  "transform[1].name is 'unscale'; allowed: as the first rule only");
  expect_contains(complaint({unscale, unscale}), "transform[1].name is 'unscale'");
  expect_contains(complaint({unscale}, false),
                  "transform[0].name is 'unscale', but there is no loss scale");
  expect_contains(complaint({kAccumulate2, kAccumulate3}),
                  "transform[1].name is 'accumulate' for the second time");
  for (const char* stateful : {"grokfast_ema", "grokfast_ma"}) {
    expect_contains(
        complaint({clip, {.name = stateful}, kAccumulate2}),
        "transform[2].name is 'accumulate' after '" + std::string(stateful));
  }
}

TEST(GradientPipelineTest, OverwrittenNameThatIsNoParameterIsRefused) {
  expect_contains(
      message_of<c10::Error>([] { Line({}, {zeros("w", 1)}, nullptr, {"scales"}); }),
      "'scales' is to be overwritten");
}

TEST(GradientPipelineTest, ParameterThatIsThereTwiceIsRefused) {
  expect_contains(message_of<c10::Error>([] {
                    Line({}, {zeros("w", 1), zeros("w", 1)});
                  }),
                  "parameter 'w' is there twice");
}

TEST(GradientPipelineTest, GradientThatDoesNotFitIsRefusedBeforeAnythingChanged) {
  const LossScale scale = fixed_scale(2.0);
  Line line({}, {zeros("a", 1), whole("b", at::zeros({2, 2}, at::kDouble))}, &scale);
  const auto complaint_of = [&](const at::Tensor& grad) {
    line.set({numbers({6.0}), at::Tensor()});
    // Autograd checks what it stores; a gradient of another form gets in below it.
    line.parameters[1].rows.unsafeGetTensorImpl()->mutable_grad() = grad;
    const std::string text =
        message_of<c10::Error>([&] { (void)line.pipeline.collect(); });
    expect_equal(line.grad(0), numbers({6.0}));
    return text;
  };
  expect_contains(complaint_of(at::ones({4}, at::kDouble)),
                  "the gradient of 'b' is Double[4] on cpu, its rows Double[2, 2]");
  expect_contains(complaint_of(at::ones({2, 2}, at::kFloat)), "is Float[2, 2]");
  expect_contains(complaint_of(at::ones({2, 2}, at::kComplexDouble)),
                  "is ComplexDouble[2, 2]");
  expect_contains(complaint_of(at::ones({2, 2}, at::kDouble).to_sparse()),
                  "is Sparse; only dense ones are taken");
}

/// Doubles gradients: a user's own transform.
class Twice final : public GradientTransform {
 public:
  explicit Twice(TransformRequest request)
      : GradientTransform("twice", std::move(request.parameters), {}) {}

 private:
  void transform(GradientTensors& tensors) override {
    for (at::Tensor& grad : tensors.grads) grad.mul_(2.0);
  }
};

TEST(GradientPipelineTest, TakesTransformsThatAUserRegistered) {
  TransformRegistry registry = make_transform_registry();
  registry.add("twice", [](TransformRequest request, const distributed::Mesh&) {
    return std::make_unique<Twice>(std::move(request));
  });
  const distributed::Mesh mesh = distributed::make_single_mesh();
  const Parameter weight = zeros("w", 1);
  const std::vector<TransformRule> rules = {{.name = "twice"},
                                            {.name = "clip_value", .value = 5.0}};
  GradientPipeline pipeline({.parameters = {weight}}, rules, mesh, registry);
  weight.rows.mutable_grad() = numbers({2.0});
  ASSERT_TRUE(pipeline.collect());
  pipeline.transform();
  expect_equal(weight.rows.grad(), numbers({4.0}));
}

}  // namespace
}  // namespace shardopt::optim
