// Overrides: "path=value" of the command line.
#include "config_test_support.h"

namespace shardopt::config {
namespace {

using test::config_error;
using test::ConfigFolder;
using ::testing::TestWithParam;
using ::testing::Values;

TEST(OverrideTest, ChangesWhatTheFileSetAndALaterOneWins) {
  const ConfigFolder folder;

  const TrainConfig config =
      folder.load("train { steps: 5 batch: 6 seed: 7 }",
                  {"train.steps=8", "train.batch=9", "train.steps=10"});

  EXPECT_EQ(config.train.steps, 10);
  EXPECT_EQ(config.train.batch, 9);
  EXPECT_EQ(config.train.seed, 7);
}

TEST(OverrideTest, TakesEveryTypeWithoutQuotes) {
  const TrainConfig config = load_config(
      {.overrides = {"model.tied=false", "optimizer.lr=3", "data.path=a = b",
                     "mesh.reduce_dtype=bf16", "optimizer.muon.adamw.eps=1e-10"}});

  EXPECT_FALSE(config.model.tied);
  EXPECT_EQ(config.optimizer.lr, 3.0);
  EXPECT_EQ(config.data.path, "a = b");
  EXPECT_EQ(config.mesh.reduce_dtype, FloatKind::kBf16);
  EXPECT_EQ(config.optimizer.muon.adamw.eps, 1e-10);
}

TEST(OverrideTest, UnsetClearsAnOptionalNumberAndEmptyClearsAText) {
  const ConfigFolder folder;

  const TrainConfig config = folder.load("optimizer { lr: 3 } data { path: \"x\" }",
                                         {"optimizer.lr=unset", "data.path="});

  EXPECT_EQ(config.optimizer.lr, std::nullopt);
  EXPECT_EQ(config.data.path, "");
}

TEST(OverrideTest, ChangesGroupsAndAppendsTheNext) {
  const ConfigFolder folder;

  const TrainConfig config =
      folder.load("optimizer { group { pattern: \"a\" lr: 1 } }",
                  {"optimizer.group[0].lr=2", "optimizer.group[1].pattern=b",
                   "optimizer.group[1].algorithm=lion"});

  ASSERT_EQ(config.optimizer.groups.size(), 2u);
  EXPECT_EQ(config.optimizer.groups[0].pattern, "a");
  EXPECT_EQ(config.optimizer.groups[0].lr, 2.0);
  EXPECT_EQ(config.optimizer.groups[1].pattern, "b");
  EXPECT_EQ(config.optimizer.groups[1].algorithm, "lion");
}

TEST(OverrideTest, ChangesTransformsAppendsTheNextAndUnsetsTheirFields) {
  const ConfigFolder folder;

  const TrainConfig config = folder.load(
      "transform { name: \"grokfast_ma\" warmup: false filter: \"sum\" window: 3 }",
      {"transform[0].warmup=unset", "transform[0].filter=unset",
       "transform[0].window=unset", "transform[0].trigger=true",
       "transform[1].name=clip_global_norm", "transform[1].max_norm=2",
       "transform[1].form=torch"});

  ASSERT_EQ(config.transforms.size(), 2u);
  EXPECT_EQ(config.transforms[0].name, "grokfast_ma");
  EXPECT_EQ(config.transforms[0].warmup, std::nullopt);
  EXPECT_EQ(config.transforms[0].filter, std::nullopt);
  EXPECT_EQ(config.transforms[0].window, std::nullopt);
  EXPECT_EQ(config.transforms[0].trigger, true);
  EXPECT_EQ(config.transforms[1].name, "clip_global_norm");
  EXPECT_EQ(config.transforms[1].max_norm, 2.0);
  EXPECT_EQ(config.transforms[1].form, "torch");
}

TEST(OverrideTest, UnsetIsAWordWhereATextCannotBeUnset) {
  EXPECT_EQ(load_config({.overrides = {"data.path=unset"}}).data.path, "unset");
}

TEST(OverrideTest, NamedValuesHaveTheTypeThatTheyLookLike) {
  const TrainConfig config = load_config(
      {.overrides = {"optimizer.options.a=true", "optimizer.options.b=-3",
                     "optimizer.options.c=3.0", "optimizer.options.d.e=3 x"}});

  const std::map<std::string, OptionValue> expected{
      {"a", true}, {"b", int64_t{-3}}, {"c", 3.0}, {"d.e", std::string("3 x")}};
  EXPECT_EQ(config.optimizer.options, expected);
}

struct Case {
  const char* assignment;
  const char* problem;
};

class OverrideErrorTest : public TestWithParam<Case> {};

TEST_P(OverrideErrorTest, NamesAssignmentAndWhatIsAllowed) {
  const auto& [assignment, problem] = GetParam();

  const std::string error =
      config_error([&] { (void)load_config({.overrides = {assignment}}); });

  EXPECT_EQ(error, "--set " + std::string(assignment) + ": " + problem);
}

INSTANTIATE_TEST_SUITE_P(
    Values, OverrideErrorTest,
    Values(Case{"optimizer.lr=abc", "not a number; allowed: >= 0"},
           Case{"optimizer.lr=", "not a number; allowed: >= 0"},
           Case{"optimizer.lr=1 ", "not a number; allowed: >= 0"},
           Case{"optimizer.lr=1e400", "not a number; allowed: >= 0"},
           Case{"optimizer.lr=nan", "optimizer.lr is nan; allowed: >= 0"},
           Case{"optimizer.lr=inf", "optimizer.lr is inf; allowed: >= 0"},
           Case{"optimizer.lr=-1", "optimizer.lr is -1; allowed: >= 0"},
           Case{"train.steps=1.5", "not a whole number; allowed: >= 0"},
           Case{"train.steps=99999999999999999999",
                "not a whole number; allowed: >= 0"},
           Case{"train.steps=unset", "train.steps is unset; allowed: a whole number"},
           Case{"model.dropout=unset", "model.dropout is unset; allowed: a number"},
           Case{"model.tied=yes", "not a flag; allowed: true | false"},
           Case{"mesh.layout=cols", "mesh.layout is 'cols'; allowed: rows"},
           Case{"transform[0].window=2.5", "not a whole number; allowed: any number"},
           Case{"transform[0].warmup=1", "not a flag; allowed: true | false"},
           Case{"average.momentum=1.5", "average.momentum is 1.5; allowed: [0, 1]"},
           Case{"train.device=cude",
                "train.device is 'cude'; allowed: cpu | cuda; did you mean 'cuda'?"}));

INSTANTIATE_TEST_SUITE_P(
    Paths, OverrideErrorTest,
    Values(
        Case{"train.steps", "allowed: path=value, as optimizer.lr=0.01"},
        Case{"=3", "allowed: path=value, as optimizer.lr=0.01"},
        Case{
            "modle.dim=3",
            "unknown field 'modle'; did you mean 'model'?; known: model, data, "
            "optimizer, schedule, train, mesh, output, profile, checkpoint, transform, "
            "loss_scale, average"},
        Case{"output.pth=3",
             "unknown field 'pth' of output; did you mean 'path'?; known: path, "
             "overwrite, sample_bytes, log_every"},
        Case{"output=3",
             "output is a block; set one of its fields: path, overwrite, "
             "sample_bytes, log_every"},
        Case{"output.path.x=3", "output.path has no fields"},
        Case{"output..=3",
             "unknown field '' of output; known: path, overwrite, sample_bytes, "
             "log_every"},
        Case{"train[0].steps=3", "train[0]: this field is no list"},
        Case{"optimizer.group.lr=3",
             "optimizer.group is a list; say which entry, as optimizer.group[0]"},
        Case{"optimizer.group[1].lr=3",
             "there are 0 groups; allowed: an index from optimizer.group[0] to "
             "optimizer.group[0]"},
        Case{"optimizer.group[-1].lr=3",
             "there are 0 groups; allowed: an index from optimizer.group[0] to "
             "optimizer.group[0]"},
        Case{"optimizer.group[00].lr=3",
             "there are 0 groups; allowed: an index from optimizer.group[0] to "
             "optimizer.group[0]"},
        Case{"optimizer.group[0]x.lr=3",
             "there are 0 groups; allowed: an index from optimizer.group[0] to "
             "optimizer.group[0]"},
        Case{"optimizer.group[0.lr=3",
             "there are 0 groups; allowed: an index from optimizer.group[0] to "
             "optimizer.group[0]"},
        Case{"transform.name=unscale",
             "transform is a list; say which entry, as transform[0]"},
        Case{"transform[1].name=unscale",
             "there are 0 transforms; allowed: an index from transform[0] to "
             "transform[0]"},
        Case{"optimizer.options=3", "allowed: optimizer.options.NAME=value"},
        Case{"optimizer.options.=3", "allowed: optimizer.options.NAME=value"},
        Case{"optimizer.options[0].flag=true",
             "allowed: optimizer.options.NAME=value"}));

TEST(OverrideErrorTest, StaysOnOneShortLineWhateverIsGiven) {
  const std::string odd = "train.device=a\nb\x01" + std::string(100000, 'x') + "\xFF";

  const std::string error =
      config_error([&] { (void)load_config({.overrides = {odd}}); });

  EXPECT_TRUE(error.starts_with("--set train.device=a\\nb\\001xxx")) << error;
  EXPECT_TRUE(error.ends_with("allowed: cpu | cuda")) << error;
}

TEST(OverrideErrorTest, RefusesMoreGroupsThanTheLimit) {
  std::vector<std::string> overrides;
  for (int64_t i = 0; i <= kMaxEntries; ++i) {
    overrides.push_back("optimizer.group[" + std::to_string(i) + "].lr=1");
  }

  EXPECT_EQ(config_error([&] { (void)load_config({.overrides = overrides}); }),
            "--set optimizer.group[256].lr=1: there are 256 groups; allowed: an index "
            "from optimizer.group[0] to optimizer.group[255]");
}

}  // namespace
}  // namespace shardopt::config
