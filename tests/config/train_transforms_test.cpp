// The list of transforms, and the options of train that are short for two of them.
#include "shardopt/config/train_transforms.h"

#include "config_test_support.h"
#include "shardopt/config/print_config.h"

namespace shardopt::config {
namespace {

std::vector<std::string> names(const std::vector<optim::TransformRule>& rules) {
  std::vector<std::string> names;
  for (const optim::TransformRule& rule : rules) names.push_back(rule.name);
  return names;
}

std::vector<std::string> names_with(std::vector<std::string> overrides) {
  return names(train_transforms(load_config({.overrides = std::move(overrides)})));
}

using Names = std::vector<std::string>;

TEST(TrainTransformsTest, AreTheListWithAccumulationFirstAndClippingLast) {
  const TrainConfig config =
      load_config({.overrides = {"train.accumulation=4", "train.clip_norm=0.5",
                                 "transform[0].name=orthograd"}});

  const std::vector<optim::TransformRule> rules = train_transforms(config);

  EXPECT_EQ(names(rules), (Names{"accumulate", "orthograd", "clip_global_norm"}));
  EXPECT_EQ(rules[0].steps, 4);
  EXPECT_EQ(rules[2].max_norm, 0.5);
  EXPECT_EQ(rules[2].form, "torch");
}

TEST(TrainTransformsTest, AccumulationComesAfterUnscale) {
  EXPECT_EQ(names_with({"train.accumulation=2", "train.clip_norm=0",
                        "transform[0].name=unscale", "transform[1].name=orthograd"}),
            (Names{"unscale", "accumulate", "orthograd"}));
}

TEST(TrainTransformsTest, ClipByDefaultUnlessATransformDoes) {
  EXPECT_EQ(names_with({}), Names{"clip_global_norm"});
  EXPECT_EQ(names_with({"transform[0].name=orthograd"}),
            (Names{"orthograd", "clip_global_norm"}));
  for (const char* clip : {"clip_norm", "clip_value", "clip_global_norm"}) {
    EXPECT_EQ(names_with({std::string("transform[0].name=") + clip}), Names{clip});
  }
}

TEST(TrainTransformsTest, AClipNormThatIsGivenIsKeptBesideATransformThatClips) {
  EXPECT_EQ(names_with({"train.clip_norm=1", "transform[0].name=clip_value"}),
            (Names{"clip_value", "clip_global_norm"}));
}

TEST(TrainTransformsTest, ReadBackAsTheyArePrinted) {
  const TrainConfig config = load_config(
      {.overrides = {"transform[0].name=clip_global_norm", "transform[0].max_norm=2",
                     "transform[0].form=torch", "transform[1].name=grokfast_ma",
                     "transform[1].warmup=false"}});
  const std::string text = print_config(config);

  const TrainConfig loaded = test::ConfigFolder().load(text);

  EXPECT_EQ(print_config(loaded), text);
  EXPECT_EQ(names(train_transforms(loaded)),
            (Names{"clip_global_norm", "grokfast_ma"}));
  EXPECT_EQ(loaded.train.clip_norm, 0.0);
}

}  // namespace
}  // namespace shardopt::config
