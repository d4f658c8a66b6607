// What a Trainer goes on from, without files.
#include <limits>
#include <string>

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

// Copies all tensors, which alias the trainer's.
StateTree copied(StateTree tree) {
  for (auto& [name, state] : tree.tensors) state.tensor = state.tensor.clone();
  for (auto& [name, child] : tree.children) child = copied(std::move(child));
  return tree;
}

// As `load` does it: values replaced, tensors filled in place.
void fill(StateTree& destination, const StateTree& saved) {
  const at::NoGradGuard no_grad;
  destination.values = saved.values;
  for (auto& [name, state] : destination.tensors) {
    state.tensor.copy_(saved.tensors.at(name).tensor);
  }
  for (auto& [name, child] : destination.children) fill(child, saved.child(name));
}

void restore(Trainer& trainer, const StateTree& saved) {
  trainer.check_state(saved);
  StateTree destination = trainer.state();
  fill(destination, saved);
  trainer.load_state(destination);
}

config::TrainConfig config_with_dropout(const std::string& optimizer) {
  config::TrainConfig config = small_config(optimizer);
  config.model.dropout = 0.2;
  config.schedule.name = "cosine";
  return config;
}

class TrainerStateTest : public testing::Test {
 protected:
  TextData data(const std::string& more = "") const {
    const std::string path = write_text(scratch_.path());
    std::ofstream(path, std::ios::app) << more;
    return TextData({.path = path, .context = 16});
  }
  const test::ScratchDir scratch_;
};

TEST_F(TrainerStateTest, AnotherTrainerGoesOnBitForBitOnEveryRank) {
  const TextData text = data();
  for (const char* optimizer : {"adamw", "muon"}) {
    const auto config = config_with_dropout(optimizer);
    test::run_mesh_ranks({.shard = 2, .replicate = 2}, [&](const auto& mesh) {
      Trainer trainer(config, mesh, text);
      for (int i = 0; i < 5; ++i) (void)trainer.step();
      const StateTree saved = copied(trainer.state());
      Trainer other(config, mesh, text);
      restore(other, saved);
      EXPECT_EQ(other.counters().step, 5);
      for (int i = 0; i < 5; ++i) {
        const StepResult expected = trainer.step();
        const StepResult result = other.step();
        EXPECT_EQ(result.step, expected.step);
        EXPECT_EQ(result.loss, expected.loss) << optimizer;
        EXPECT_EQ(result.grad_norm, expected.grad_norm) << optimizer;
        EXPECT_EQ(result.lr, expected.lr) << optimizer;
      }
    });
  }
}

// With everything else that has state; the loss scale overflows at first.
TEST_F(TrainerStateTest, TransformsAverageAndLossScaleGoOnBitForBit) {
  const TextData text = data();
  for (const char* optimizer : {"schedule_free_adamw", "lion"}) {
    config::TrainConfig config = config_with_dropout(optimizer);
    config.transforms = {{.name = "accumulate", .steps = 3},
                         {.name = "grokfast_ma", .window = 4, .warmup = false},
                         {.name = "grokfast_ema"},
                         {.name = "orthograd"}};
    config.average = {.mode = optim::AverageMode::kEma, .overwrite_every = 4};
    config.loss_scale = {.mode = optim::LossScaleMode::kDynamic,
                         .scale = 0x1p127,
                         .growth_steps = 3,
                         .backoff_factor = 0x1p-20};
    config.optimizer.rules.caution = true;
    test::run_mesh_ranks({.shard = 2, .replicate = 2}, [&](const auto& mesh) {
      Trainer trainer(config, mesh, text);
      for (int i = 0; i < 8; ++i) (void)trainer.step();
      EXPECT_GT(trainer.counters().updates, 2);
      EXPECT_LT(trainer.counters().updates, 8);
      Trainer other(config, mesh, text);
      restore(other, copied(trainer.state()));
      for (int i = 0; i < 5; ++i) {
        const StepResult expected = trainer.step();
        const StepResult result = other.step();
        EXPECT_EQ(result.loss, expected.loss) << optimizer;
        EXPECT_EQ(result.grad_norm, expected.grad_norm) << optimizer;
        EXPECT_EQ(result.is_skipped, expected.is_skipped) << optimizer;
      }
      EXPECT_EQ(other.validate(), trainer.validate());
    });
  }
}

TEST_F(TrainerStateTest, CountsStepsSamplesTokensAndUpdates) {
  const TextData text = data();
  test::run_mesh_ranks({.shard = 2}, [&](const auto& mesh) {
    Trainer trainer(small_config("adamw"), mesh, text);
    for (int i = 0; i < 3; ++i) (void)trainer.step();
    const Counters& counters = trainer.counters();
    EXPECT_EQ(counters.step, 3);
    EXPECT_EQ(counters.samples, 3 * 12);
    EXPECT_EQ(counters.tokens, 3 * 12 * 16);
    EXPECT_EQ(counters.updates, 3);
    EXPECT_GT(counters.seconds, 0.0);
    const StateTree state = trainer.state();
    EXPECT_EQ(state.child("data").template value<uint64_t>("samples"), 36U);
    // By rank 0's clock: a manifest has one value for all.
    at::Tensor seconds = at::full({1}, counters.seconds, at::kDouble);
    mesh.world().broadcast(seconds, 0)->wait();
    EXPECT_EQ(seconds.item<double>(), counters.seconds);
  });
}

TEST_F(TrainerStateTest, ASkippedStepIsAStepButNoUpdate) {
  const TextData text = data();
  test::run_mesh_ranks({.shard = 1}, [&](const auto& mesh) {
    auto config = small_config("adamw");
    Trainer trainer(config, mesh, text);
    trainer.model().parameters().front().rows.detach().fill_(
        std::numeric_limits<float>::quiet_NaN());
    EXPECT_TRUE(trainer.step().is_skipped);
    EXPECT_EQ(trainer.counters().step, 1);
    EXPECT_EQ(trainer.counters().samples, 12);
    EXPECT_EQ(trainer.counters().updates, 0);
    EXPECT_EQ(trainer.counters().skipped_in_a_row, 1);
    Trainer other(config, mesh, text);
    restore(other, copied(trainer.state()));
    EXPECT_THROW(other.check_outcome(), ConfigError);
  });
}

TEST_F(TrainerStateTest, AnotherBatchGoesOnAtTheNextSample) {
  const TextData text = data();
  test::run_mesh_ranks({.shard = 1}, [&](const auto& mesh) {
    auto config = small_config("adamw");
    Trainer trainer(config, mesh, text);
    (void)trainer.step();
    const StateTree saved = copied(trainer.state());
    config.train.batch = 4;
    Trainer other(config, mesh, text);
    restore(other, saved);
    double sum = 0.0;
    config.optimizer.lr = 0.0;  // Samples 12 to 23 under the same weights.
    Trainer still(config, mesh, text);
    restore(still, saved);
    for (int i = 0; i < 3; ++i) sum += still.step().loss;
    EXPECT_NEAR(sum / 3, trainer.step().loss, 1e-6);
    EXPECT_EQ(still.counters().samples, 24);
  });
}

TEST_F(TrainerStateTest, DerivedDropoutDiffersByRankAndStepAndIsTheSameTwice) {
  const TextData text = data();
  at::Tensor states[2];
  test::run_mesh_ranks({.shard = 2}, [&](const auto& mesh) {
    Trainer trainer(config_with_dropout("adamw"), mesh, text);
    const auto dropout = [&] {
      return trainer.state().child("rng").tensors.at("dropout").tensor;
    };
    const at::Tensor first = dropout();
    trainer.derive_dropout();
    const at::Tensor at_0 = dropout();
    EXPECT_FALSE(at::equal(at_0, first));
    trainer.derive_dropout();
    EXPECT_TRUE(at::equal(dropout(), at_0));
    (void)trainer.step();
    trainer.derive_dropout();
    EXPECT_FALSE(at::equal(dropout(), at_0));
    states[mesh.rank()] = dropout();
  });
  EXPECT_FALSE(at::equal(states[0], states[1]));
}

// What is said to a trainer of `config` and `text` that is to go on from `saved`.
std::string refusal(const config::TrainConfig& config, const distributed::Mesh& mesh,
                    const TextData& text, const StateTree& saved) {
  Trainer trainer(config, mesh, text);
  try {
    trainer.check_state(saved);
  } catch (const CheckpointError& error) {
    return error.what_without_backtrace();
  }
  return "(none)";
}

TEST_F(TrainerStateTest, OtherSamplesAreRefusedByName) {
  const TextData text = data();
  test::run_mesh_ranks({.shard = 1}, [&](const auto& mesh) {
    const auto config = small_config("adamw");
    const StateTree saved = Trainer(config, mesh, text).state();
    const std::string begin = "training cannot go on from this checkpoint: ";
    auto other = config;
    other.train.seed = 2;
    other.data.order = config::SampleOrder::kSequential;
    other.model.context = 8;
    EXPECT_EQ(refusal(other, mesh, text, saved),
              begin +
                  "train.seed is 2, there 1; data.order is sequential, there shuffled; "
                  "model.context is 8, there 16");
    const TextData longer = data("more");
    EXPECT_NE(
        refusal(config, mesh, longer, saved)
            .find(begin + "the text at data.path has been replaced: its size is " +
                  std::to_string(longer.size_bytes()) + ", there " +
                  std::to_string(text.size_bytes())),
        std::string::npos);
    const TextData cut({.path = write_text(scratch_.path()),
                        .context = 16,
                        .validation_fraction = 0.5});
    EXPECT_NE(refusal(config, mesh, cut, saved).find("data.validation_fraction"),
              std::string::npos);
    EXPECT_EQ(refusal(config, mesh, text, saved), "(none)");
  });
}

TEST_F(TrainerStateTest, TextOfTheSameLengthIsToldApart) {
  const std::string path = scratch_.path() / "same";
  const auto write = [&](char letter) {
    std::ofstream(path) << std::string(2000, letter);
    return TextData({.path = path, .context = 16});
  };
  const TextData before = write('a');
  const TextData now = write('b');
  test::run_mesh_ranks({.shard = 1}, [&](const auto& mesh) {
    const auto config = small_config("adamw");
    const StateTree saved = Trainer(config, mesh, before).state();
    EXPECT_NE(refusal(config, mesh, now, saved).find("replaced: its checksum is "),
              std::string::npos);
  });
}

TEST_F(TrainerStateTest, AnotherOptimizerAndBareWeightsAreRefused) {
  const TextData text = data();
  test::run_mesh_ranks({.shard = 1}, [&](const auto& mesh) {
    const StateTree saved = Trainer(small_config("adamw"), mesh, text).state();
    EXPECT_NE(refusal(small_config("lion"), mesh, text, saved)
                  .find("not of this optimizer 'lion'"),
              std::string::npos);
    const StateTree weights{.kind = "weights"};
    EXPECT_EQ(refusal(small_config("adamw"), mesh, text, weights),
              "this checkpoint holds 'weights', no state of training to go on from; "
              "model.init takes weights");
  });
}

TEST_F(TrainerStateTest, HooksAreCalledBeforeTheUpdateAndRankZeroDecidesForAll) {
  const TextData text = data();
  test::run_mesh_ranks({.shard = 2}, [&](const auto& mesh) {
    Trainer trainer(small_config("adamw"), mesh, text);
    const at::Tensor rows = trainer.model().parameters().front().rows;
    const at::Tensor before = rows.clone();
    int calls = 0;
    const StepHooks hooks{.before_update =
                              [&] {
                                ++calls;
                                EXPECT_TRUE(at::equal(rows, before));
                              },
                          .is_due = [&] { return mesh.rank() == 0; }};
    const StepResult result = trainer.step(hooks);
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(result.is_due);
    EXPECT_FALSE(at::equal(rows, before));
    EXPECT_FALSE(trainer.step({.is_due = [&] { return mesh.rank() == 1; }}).is_due);
  });
}

}  // namespace
}  // namespace shardopt::train
