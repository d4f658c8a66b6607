// Values that do not fit each other.
#include "shardopt/config/check_config.h"

#include "config_test_support.h"

namespace shardopt::config {
namespace {

using test::config_error;
using ::testing::TestWithParam;
using ::testing::Values;

using Overrides = std::vector<std::string>;

TrainConfig with(Overrides overrides) {
  overrides.insert(overrides.begin(), "data.path=text");
  return load_config({.overrides = std::move(overrides)});
}

std::string error_of(const TrainConfig& config, int ranks) {
  return config_error([&] { check_config(config, ranks); });
}

TEST(CheckConfigTest, AcceptsTheDefaultsWithAPathOnRanksThatDivideTheBatch) {
  EXPECT_EQ(error_of(with({}), 1), "(no error)");
  EXPECT_EQ(error_of(with({"mesh.shard=4", "train.accumulation=2"}), 4), "(no error)");
  EXPECT_EQ(error_of(with({"mesh.shard=2", "mesh.replicate=0"}), 4), "(no error)");
  EXPECT_EQ(error_of(with({"mesh.replicate=4"}), 4), "(no error)");
}

TEST(CheckConfigTest, AcceptsWarmUpWhereNothingIsTrained) {
  EXPECT_EQ(error_of(with({"train.steps=0", "schedule.warmup_steps=10"}), 1),
            "(no error)");
  EXPECT_EQ(
      error_of(
          with({"train.steps=5", "schedule.warmup_steps=10", "schedule.name=none"}), 1),
      "(no error)");
}

TEST(CheckConfigTest, AcceptsClippingOfOneKindAfterAnother) {
  EXPECT_EQ(error_of(with({"transform[0].name=clip_value", "transform[0].value=1",
                           "train.clip_norm=0.5"}),
                     1),
            "(no error)");
  EXPECT_EQ(error_of(with({"transform[0].name=clip_global_norm",
                           "transform[0].max_norm=1", "train.clip_norm=0"}),
                     1),
            "(no error)");
}

TEST(CheckConfigTest, AcceptsCheckpointsWithAPathOfTheirOwn) {
  EXPECT_EQ(error_of(with({"checkpoint.path=c", "checkpoint.every_steps=5",
                           "checkpoint.every_seconds=60", "checkpoint.resume=step=0",
                           "checkpoint.discard_later=true", "train.stop_after=1000"}),
                     1),
            "(no error)");
  EXPECT_EQ(error_of(with({"checkpoint.resume=none"}), 1), "(no error)");
  EXPECT_EQ(error_of(with({"model.init=w.safetensors", "model.init_cast=bf16:f32"}), 1),
            "(no error)");
}

TEST(CheckConfigTest, AcceptsNamedValuesForAnOptimizerThatIsNotKnownHere) {
  const Overrides named{"optimizer.name=mine", "optimizer.options.x=1"};
  const Overrides in_group{"optimizer.options.x=1", "optimizer.group[0].pattern=a",
                           "optimizer.group[0].algorithm=mine"};

  EXPECT_EQ(error_of(with(named), 1), "(no error)");
  EXPECT_EQ(error_of(with(in_group), 1), "(no error)");
}

struct Case {
  Overrides overrides;
  int ranks;
  const char* error;
};

class CheckConfigErrorTest : public TestWithParam<Case> {};

TEST_P(CheckConfigErrorTest, NamesFieldsAndValues) {
  EXPECT_EQ(error_of(with(GetParam().overrides), GetParam().ranks), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Combinations, CheckConfigErrorTest,
    Values(
        Case{{"model.heads=5"},
             1,
             "model.heads is 5, which does not divide model.dim, 128"},
        Case{{"model.dim=132"},
             1,
             "model.dim / model.heads is 132 / 4 = 33; allowed: an even number, for "
             "rotary embedding"},
        Case{{"data.path="},
             1,
             "data.path is empty; allowed: a file or a folder of text"},
        Case{{"data.validation_fraction=0"},
             1,
             "train.validate_every is 100, but data.validation_fraction is 0; allowed: "
             "neither or both 0"},
        Case{{"mesh.replicate=2"},
             3,
             "mesh.shard is 0 and mesh.replicate is 2; allowed: a product of 3, the "
             "number of ranks, where 0 is the rest"},
        Case{{"mesh.shard=2"},
             4,
             "mesh.shard is 2 and mesh.replicate is 1; allowed: a product of 4, the "
             "number of ranks, where 0 is the rest"},
        Case{{"mesh.shard=8", "mesh.replicate=0"},
             4,
             "mesh.shard is 8 and mesh.replicate is 0; allowed: a product of 4, the "
             "number of ranks, where 0 is the rest"},
        Case{{"mesh.replicate=0"},
             4,
             "mesh.shard and mesh.replicate are both 0; allowed: one of them"},
        Case{{"profile.path=p.json", "profile.first_step=9", "train.steps=8"},
             1,
             "profile.first_step is 9; allowed: up to train.steps, 8"},
        Case{
            {},
            3,
            "train.batch is 16; allowed: a multiple of ranks 3 x train.accumulation 1"},
        Case{
            {"train.accumulation=3"},
            1,
            "train.batch is 16; allowed: a multiple of ranks 1 x train.accumulation 3"},
        Case{
            {"train.accumulation=8"},
            4,
            "train.batch is 16; allowed: a multiple of ranks 4 x train.accumulation 8"},
        Case{{"train.accumulation=9223372036854775807"},
             4,
             "train.batch is 16; allowed: a multiple of ranks 4 x train.accumulation "
             "9223372036854775807"},
        Case{{"train.steps=9", "schedule.warmup_steps=10"},
             1,
             "schedule.warmup_steps is 10; allowed: up to train.steps, 9"},
        Case{{"checkpoint.every_steps=5"},
             1,
             "checkpoint.every_steps is 5, but checkpoint.path is empty; allowed: "
             "neither or both"},
        Case{{"checkpoint.every_seconds=5"},
             1,
             "checkpoint.every_seconds is 5, but checkpoint.path is empty; allowed: "
             "neither or both"},
        Case{{"checkpoint.resume=step=5"},
             1,
             "checkpoint.resume is 'step=5', but checkpoint.path is empty; allowed: "
             "neither or both"},
        Case{{"checkpoint.resume=elsewhere"},
             1,
             "checkpoint.resume is 'elsewhere', but checkpoint.path is empty; allowed: "
             "neither or both"},
        Case{{"checkpoint.discard_later=true"},
             1,
             "checkpoint.discard_later is true, but checkpoint.path is empty; allowed: "
             "neither or both"},
        Case{{"train.stop_after=5"},
             1,
             "train.stop_after is 5, but checkpoint.path is empty; allowed: neither or "
             "both"},
        Case{{"train.stop_after=9", "train.steps=8", "checkpoint.path=c"},
             1,
             "train.stop_after is 9; allowed: up to train.steps, 8"},
        Case{{"model.init_allow_missing=model/*"},
             1,
             "model.init_allow_missing is 'model/*', but model.init is empty; allowed: "
             "neither or both"},
        Case{
            {"model.init_ignore=model/*"},
            1,
            "model.init_ignore is 'model/*', but model.init is empty; allowed: neither "
            "or both"},
        Case{{"model.init_cast=bf16:f32"},
             1,
             "model.init_cast is 'bf16:f32', but model.init is empty; allowed: neither "
             "or both"},
        Case{{"optimizer.group[0].lr=1"},
             1,
             "optimizer.group[0].pattern is empty; allowed: a regular expression"},
        Case{
            {"optimizer.muon.preset=jordan", "optimizer.name=lion"},
            1,
            "optimizer.muon.preset is 'jordan', but optimizer.name is 'lion'; allowed: "
            "muon, or no preset (its lr and decay are every group's)"},
        Case{{"transform[0].name=unscale", "transform[1].steps=3"},
             1,
             "transform[1].name is ''; allowed: accumulate | clip_global_norm | "
             "clip_norm | clip_value | grokfast_ema | grokfast_ma | orthograd | "
             "unscale"},
        Case{{"train.accumulation=2", "transform[0].name=orthograd",
              "transform[1].name=accumulate"},
             1,
             "train.accumulation is 2, but transform[1] is 'accumulate'; allowed: one "
             "of them"},
        Case{{"mesh.accumulate=whole", "transform[0].name=accumulate",
              "transform[0].steps=2"},
             1,
             "mesh.accumulate is 'whole', but transform[0] is 'accumulate'; allowed: "
             "shards, or train.accumulation in place of the transform"},
        Case{{"transform[0].name=accumulate", "transform[0].steps=3"},
             2,
             "train.batch is 16; allowed: a multiple of ranks 2 x steps of transform "
             "accumulate 3"},
        Case{{"train.clip_norm=0.5", "transform[0].name=clip_global_norm"},
             1,
             "train.clip_norm is 0.5, but transform[0] is 'clip_global_norm'; allowed: "
             "one of them"},
        Case{{"optimizer.options.x=1"},
             1,
             "optimizer.options.x is given, but optimizer.name is 'adamw'; allowed: "
             "options in the block optimizer.adamw"}));

TEST(CheckConfigErrorTest, FindsValuesOutOfRangeInAStructFilledByHand) {
  TrainConfig config = with({});
  config.model.heads = 0;
  EXPECT_EQ(error_of(config, 1), "model.heads is 0; allowed: [1, 1048576]");

  config = with({});
  config.optimizer.muon.adamw.lr = -1.0;
  EXPECT_EQ(error_of(config, 1), "optimizer.muon.adamw.lr is -1; allowed: >= 0");
}

TEST(CheckConfigErrorTest, RefusesAJobOfNoRanks) {
  EXPECT_THROW(check_config(with({}), 0), c10::Error);
}

TEST(UnusedBlocksTest, AreThoseGivenButNotSelectedEachOnce) {
  const test::ConfigFolder folder;

  const TrainConfig config =
      folder.load("optimizer { name: \"muon\" adamw { beta1: 0.8 } lion { } muon { } }",
                  {"optimizer.lion.beta1=0.5", "optimizer.lion.beta2=0.5"});

  const std::vector<std::string> expected{"optimizer.adamw", "optimizer.lion"};
  EXPECT_EQ(unused_blocks(config), expected);
  EXPECT_EQ(unused_blocks(load_config({})), std::vector<std::string>{});
}

TEST(UnusedBlocksTest, OneOptimizerInsideMuonIsUsed) {
  const Overrides inside{"optimizer.muon.nadamw.beta1=0.5", "optimizer.muon.lion.lr=1",
                         "optimizer.muon.internal=lion"};
  Overrides muon = inside;
  muon.emplace_back("optimizer.name=muon");

  EXPECT_EQ(unused_blocks(with(muon)),
            std::vector<std::string>{"optimizer.muon.nadamw"});
  EXPECT_EQ(unused_blocks(with(inside)), std::vector<std::string>{"optimizer.muon"});
}

TEST(UnusedBlocksTest, APresetsOwnValuesAreNotGiven) {
  EXPECT_EQ(unused_blocks(
                with({"optimizer.muon.preset=jordan", "optimizer.muon.internal=lion"})),
            std::vector<std::string>{});
}

TEST(UnusedBlocksTest, AGroupsAlgorithmIsUsed) {
  const TrainConfig config =
      with({"optimizer.name=muon", "optimizer.lion.beta1=0.5",
            "optimizer.group[0].pattern=a", "optimizer.group[0].algorithm=lion",
            "optimizer.muon.adamw.lr=1"});

  EXPECT_EQ(unused_blocks(config), std::vector<std::string>{});
}

}  // namespace
}  // namespace shardopt::config
