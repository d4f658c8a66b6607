// What may stand between gradients and weights, in training.
#include <cmath>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "shardopt/core/error.h"
#include "support/scratch_dir.h"
#include "support/thread_meshes.h"
#include "tools/small_training.h"
#include "train/trainer.h"

namespace shardopt::train {
namespace {

constexpr double kRounding = 1e-6;

class TrainerUpdateTest : public testing::Test {
 protected:
  TrainerUpdateTest() : text_({.path = write_text(scratch_.path()), .context = 16}) {}

  // Losses of ten steps, and the validation loss behind them.
  std::vector<double> train(const config::TrainConfig& config, bool validates = false) {
    const distributed::Mesh mesh = distributed::make_single_mesh();
    Trainer trainer(config, mesh, text_);
    std::vector<double> losses;
    for (int i = 0; i < 10; ++i) {
      losses.push_back(trainer.step().loss);
      if (validates) (void)trainer.validate();
    }
    losses.push_back(trainer.validate().value());
    return losses;
  }

  static void expect_near(const std::vector<double>& a, const std::vector<double>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_NEAR(a[i], b[i], kRounding) << "step " << i + 1;
    }
  }

  const test::ScratchDir scratch_;
  const TextData text_;
};

TEST_F(TrainerUpdateTest, ShortFormsAreTheTransformsThatTheyStandFor) {
  config::TrainConfig shorter = small_config("adamw");
  shorter.train.accumulation = 3;
  shorter.train.clip_norm = 0.5;
  config::TrainConfig longer = small_config("adamw");
  longer.train.clip_norm = 0.0;
  longer.transforms = {{.name = "accumulate", .steps = 3},
                       {.name = "clip_global_norm", .max_norm = 0.5, .form = "torch"}};
  expect_near(train(shorter), train(longer));
}

// Powers of two round nothing.
TEST_F(TrainerUpdateTest, AStaticLossScaleOfAPowerOfTwoChangesNoBit) {
  config::TrainConfig scaled = small_config("muon");
  scaled.loss_scale = {.mode = optim::LossScaleMode::kStatic, .scale = 1024.0};
  EXPECT_EQ(train(scaled), train(small_config("muon")));
}

// 2^127 times any gradient of size 2 overflows; the fall ends where none does.
TEST_F(TrainerUpdateTest, ADynamicLossScaleFallsUntilGradientsAreFinite) {
  config::TrainConfig config = small_config("adamw");
  config.train.non_finite = config::NonFinitePolicy::kStop;  // Overflow is no failure.
  config.loss_scale = {.mode = optim::LossScaleMode::kDynamic,
                       .scale = 0x1p127,
                       .backoff_factor = 0x1p-40};
  const distributed::Mesh mesh = distributed::make_single_mesh();
  Trainer trainer(config, mesh, text_);
  EXPECT_TRUE(trainer.step().is_skipped);
  for (int i = 0; i < 4; ++i) (void)trainer.step();
  EXPECT_FALSE(trainer.step().is_skipped);
  EXPECT_GT(trainer.counters().updates, 0);
}

// Validation looks at other weights, and training does not notice.
TEST_F(TrainerUpdateTest, EvaluationWeightsAreNotThoseThatTrain) {
  for (const bool averages : {true, false}) {
    config::TrainConfig config =
        small_config(averages ? "adamw" : "schedule_free_adamw");
    if (averages) config.average.mode = optim::AverageMode::kEma;
    EXPECT_EQ(train(config, /*validates=*/true), train(config));
    const distributed::Mesh mesh = distributed::make_single_mesh();
    Trainer trainer(config, mesh, text_);
    for (int i = 0; i < 10; ++i) (void)trainer.step();
    const std::string path = scratch_.path() / "weights.safetensors";
    const at::Tensor training = trainer.model().parameters().front().rows.clone();
    trainer.write_weights(path);
    EXPECT_TRUE(at::equal(trainer.model().parameters().front().rows, training));
  }
}

TEST_F(TrainerUpdateTest, AnAverageValidatesOtherwiseThanTheWeights) {
  config::TrainConfig averaged = small_config("adamw");
  averaged.average.mode = optim::AverageMode::kEma;
  const auto with = train(averaged);
  const auto without = train(small_config("adamw"));
  EXPECT_EQ(with.front(), without.front());
  EXPECT_NE(with.back(), without.back());
}

TEST_F(TrainerUpdateTest, RefusesAStateWithPartsThatAreNotConfigured) {
  const distributed::Mesh mesh = distributed::make_single_mesh();
  config::TrainConfig averaged = small_config("adamw");
  averaged.average.mode = optim::AverageMode::kEma;
  Trainer with(averaged, mesh, text_);
  Trainer without(small_config("adamw"), mesh, text_);
  EXPECT_THROW(without.check_state(with.state()), CheckpointError);
  EXPECT_THROW(with.check_state(without.state()), CheckpointError);
}

}  // namespace
}  // namespace shardopt::train
