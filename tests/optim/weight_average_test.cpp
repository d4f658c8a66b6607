#include "shardopt/optim/weight_average.h"

#include <cmath>

#include "optim/transform_testing.h"
#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

constexpr double kUlp = 1e-15;

AverageOptions ema(double momentum, int64_t overwrite_every = 0) {
  return {.mode = AverageMode::kEma,
          .momentum = momentum,
          .overwrite_every = overwrite_every};
}

at::Tensor average_of(const WeightAverage& average, const std::string& name = "w") {
  return average.state().child(name).tensors.at("average").tensor;
}

// Keras's own: sgd with lr 1 and gradients of 1, overwritten in every third update.
TEST(WeightAverageTest, FollowsKerasTest) {
  const at::Tensor weight = numbers({3.0, 4.0, 5.0, 6.0}).view({2, 2});
  WeightAverage average({whole("w", weight)}, ema(0.9, 3));
  const auto update = [&] {
    weight.sub_(1.0);
    average.update();
  };
  const at::Tensor expected = weight.clone();
  update();
  expect_equal(weight, expected - 1.0);
  expect_equal(average_of(average), expected - 1.0);
  update();
  expect_equal(weight, expected - 2.0);
  expect_near(average_of(average), expected - 1.1, kUlp);
  update();
  expect_near(weight, expected - 1.29, kUlp);
  expect_equal(average_of(average), weight);
  EXPECT_EQ(average.updates(), 3);
}

// avg: 1, then 0.5 1 + 0.5 2, then 0.5 1.5 + 0.5 4; W is never touched.
TEST(WeightAverageTest, NeverOverwritesUnlessToldTo) {
  const at::Tensor weight = numbers({1.0});
  WeightAverage average({whole("w", weight)}, ema(0.5));
  for (const double value : {1.0, 2.0, 4.0}) {
    weight.fill_(value);
    average.update();
    expect_equal(weight, numbers({value}));
  }
  expect_equal(average_of(average), numbers({2.75}));
}

TEST(WeightAverageTest, MomentumZeroFollowsAndOneStaysAtTheFirstWeights) {
  const at::Tensor weight = numbers({0.1});
  WeightAverage following({whole("w", weight)}, ema(0.0));
  WeightAverage staying({whole("w", weight)}, ema(1.0));
  for (const double value : {0.1, 0.2, 0.7}) {
    weight.fill_(value);
    following.update();
    staying.update();
  }
  expect_equal(average_of(following), numbers({0.7}));
  expect_equal(average_of(staying), numbers({0.1}));
}

TEST(WeightAverageTest, SwapIsExactBothWays) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const at::Tensor weight = at::arange(1, 8, dtype).sin();
    WeightAverage average(
        {whole("w", weight), {"empty", at::zeros({0, 2}, dtype), Shard({0, 3, 3}, 1)}},
        ema(0.9));
    average.update();
    weight[0].fill_(std::nan(""));
    weight[1].fill_(-0.0);
    weight.narrow(0, 2, 5).mul_(1e-7);
    average.update();
    const at::Tensor training = weight.clone();
    const at::Tensor averaged = average_of(average).clone();

    average.use_average();
    EXPECT_TRUE(average.is_in_use());
    EXPECT_TRUE(at::allclose(weight, averaged, 0.0, 0.0, /*equal_nan=*/true));
    average.use_training_weights();

    EXPECT_FALSE(average.is_in_use());
    const auto bits = dtype == at::kFloat ? at::kInt : at::kLong;
    expect_equal(weight.view(bits), training.view(bits));
  }
}

TEST(WeightAverageTest, BeforeTheFirstUpdateTheWeightsStandInForTheAverage) {
  const at::Tensor weight = numbers({3.0});
  WeightAverage average({whole("w", weight)}, ema(0.9));
  weight.fill_(4.0);  // loaded since
  average.use_average();
  expect_equal(weight, numbers({4.0}));
  average.use_training_weights();
  expect_equal(weight, numbers({4.0}));
}

TEST(WeightAverageTest, SwappingTwiceOrUpdatingMeanwhileIsRefused) {
  WeightAverage average({zeros("w", 1)}, ema(0.9));
  const auto complaint = [](auto&& action) { return message_of<c10::Error>(action); };
  expect_contains(complaint([&] { average.use_training_weights(); }),
                  "the training weights are in use already");
  average.use_average();
  expect_contains(complaint([&] { average.use_average(); }),
                  "the average is in use already");
  expect_contains(complaint([&] { average.update(); }), "average is in use");
  expect_contains(complaint([&] { average.load_state(average.state()); }),
                  "average is in use");
}

TEST(WeightAverageTest, SaveLoadContinueEqualsNeverStopping) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const auto start = [&] { return at::arange(6, dtype).cos().view({3, 2}); };
    const auto train = [](const at::Tensor& weight, WeightAverage& average, int first,
                          int last) {
      for (int i = first; i < last; ++i) {
        weight.add_(at::arange(6, weight.options()).mul(i).sin().view({3, 2}), -0.1);
        average.update();
      }
    };
    const at::Tensor straight_weight = start();
    WeightAverage straight({whole("w", straight_weight)}, ema(0.9, 4));
    train(straight_weight, straight, 0, 11);
    const at::Tensor weight = start();
    WeightAverage first({whole("w", weight)}, ema(0.9, 4));
    train(weight, first, 0, 6);
    WeightAverage second({whole("w", weight)}, ema(0.9, 4));
    second.load_state(deep_copy(first.state()));
    train(weight, second, 6, 11);
    expect_equal(weight, straight_weight);
    expect_same_state(second.state(), straight.state());
  }
}

TEST(WeightAverageTest, StateHasEmptyShardsFromTheStart) {
  WeightAverage average({{"w", at::zeros({0, 2}), Shard({0, 3, 3}, 1)}}, ema(0.9));
  const StateTensor slot = average.state().child("w").tensors.at("average");
  EXPECT_EQ(slot.tensor.sizes(), at::IntArrayRef({0, 2}));
  EXPECT_EQ(slot.spread, Spread::kCut);
  EXPECT_EQ(slot.shard, Shard({0, 3, 3}, 1));
  average.update();
  average.update();
  EXPECT_EQ(average.state().value<int64_t>("updates"), 2);
}

TEST(WeightAverageTest, StateOfOtherParametersIsRefused) {
  WeightAverage average({zeros("w", 2)}, ema(0.9));
  const auto complaint = [&](const StateTree& tree) {
    return message_of<CheckpointError>([&] { average.load_state(tree); });
  };
  expect_contains(complaint(WeightAverage({zeros("v", 2)}, ema(0.9)).state()),
                  "part 'w' is missing");
  expect_contains(complaint(WeightAverage({zeros("w", 3)}, ema(0.9)).state()),
                  "slot 'average' is Double[3], here Double[2]");
  expect_contains(complaint({.kind = "adamw"}), "kind is 'adamw', here 'average'");
}

std::string refusal(const AverageOptions& options) {
  return message_of<ConfigError>([&] { WeightAverage({}, options); });
}

TEST(AverageOptionsTest, ValueOutOfRangeIsRefused) {
  EXPECT_EQ(refusal(ema(1.5)), "average: momentum is 1.5; allowed: [0, 1]");
  EXPECT_EQ(refusal(ema(std::nan(""))), "average: momentum is nan; allowed: [0, 1]");
  EXPECT_EQ(refusal(ema(0.9, -1)), "average: overwrite_every is -1; allowed: >= 0");
}

TEST(AverageOptionsTest, ModeNoneIsNoAverageAndHasNoOptions) {
  expect_contains(refusal({}), "average: mode is 'none'");
  EXPECT_NO_THROW(AverageOptions{}.validate());
  EXPECT_EQ(refusal({.momentum = 0.5}),
            "average: momentum is 0.5, but mode none has no such option");
  EXPECT_EQ(refusal({.overwrite_every = 2}),
            "average: overwrite_every is 2, but mode none has no such option");
}

TEST(WeightAverageTest, ParameterThatIsThereTwiceIsRefused) {
  expect_contains(message_of<c10::Error>([] {
                    WeightAverage({zeros("w", 1), zeros("w", 1)}, ema(0.9));
                  }),
                  "'w' is averaged twice");
}

}  // namespace
}  // namespace shardopt::optim
