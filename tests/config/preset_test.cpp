// Presets: defaults of another system.
#include "shardopt/optim/muon_presets.h"

#include "config_test_support.h"
#include "option_tree.h"
#include "shardopt/config/check_config.h"
#include "shardopt/config/print_config.h"

namespace shardopt::config {
namespace {

using test::ConfigFolder;

TEST(PresetTest, SetsWhatItNamesAndLeavesTheRest) {
  for (const optim::MuonPreset& preset : optim::muon_presets()) {
    TrainConfig config =
        load_config({.overrides = {"optimizer.muon.preset=" + preset.name}});
    const Block root = make_option_tree(config);
    TrainConfig other;
    for_each_option(make_option_tree(other), [&](const std::string& path,
                                                 const Option& option) {
      OptionValue expected = option.get();
      if (path == "optimizer.name") expected = std::string("muon");
      if (path == "optimizer.muon.preset") expected = preset.name;
      for (const auto& [set, value] : preset.values) {
        if (path == "optimizer." + set) expected = value;
      }
      EXPECT_EQ(find_option(root, path)->get(), expected) << preset.name << " " << path;
    });
    config.data.path = "text";
    EXPECT_NO_THROW(check_config(config, 1)) << preset.name;
  }
}

TEST(PresetTest, YieldsToTheFileAndToOverridesWhereverItIsNamed) {
  const ConfigFolder folder;
  const char* const text =
      "optimizer { name: \"muon\" weight_decay: 0.5 muon { rms: 0.3 } }";

  const TrainConfig by_override =
      folder.load(text, {"optimizer.muon.scale=none", "optimizer.muon.preset=moonlight",
                         "optimizer.lr=3"});
  const TrainConfig by_file = folder.load(
      "optimizer { lr: 3 weight_decay: 0.5 muon { scale: \"none\" rms: 0.3 preset: "
      "\"moonlight\" } }");

  EXPECT_EQ(by_override.optimizer.lr, 3.0);
  EXPECT_EQ(by_override.optimizer.weight_decay, 0.5);
  EXPECT_EQ(by_override.optimizer.muon.rms, 0.3);
  EXPECT_EQ(by_override.optimizer.muon.scale, optim::MuonScale::kNone);
  EXPECT_EQ(by_override.optimizer.muon.ns_eps, 1e-7);  // The preset's.
  EXPECT_EQ(print_config(by_file), print_config(by_override));
}

TEST(PresetTest, ALaterOneTakesAnEarliersPlaceWhole) {
  const ConfigFolder folder;
  const char* const text = "optimizer { muon { preset: \"jordan\" } }";

  const TrainConfig none = folder.load(text, {"optimizer.muon.preset="});
  const TrainConfig keras = folder.load(text, {"optimizer.muon.preset=keras"});

  EXPECT_EQ(print_config(none), print_config(load_config({})));
  EXPECT_EQ(keras.optimizer.muon.adamw.lr, std::nullopt);  // Jordan's is 3e-4.
}

TEST(PresetTest, IsPrintedSoThatItReadsBack) {
  const TrainConfig config = load_config(
      {.overrides = {"optimizer.muon.preset=jordan", "optimizer.muon.nesterov=false"}});
  const std::string text = print_config(config);

  const TrainConfig loaded = ConfigFolder().load(text);

  EXPECT_EQ(loaded.optimizer.muon_preset, "jordan");
  EXPECT_EQ(print_config(loaded), text);
}

// A text cannot say that a value is unset which the preset sets.
TEST(PresetTest, IsPrintedAsACommentWhereSomethingThatItSetsIsUnset) {
  const TrainConfig config = load_config(
      {.overrides = {"optimizer.muon.preset=jordan", "optimizer.muon.adamw.lr=unset"}});
  const std::string text = print_config(config);

  const TrainConfig loaded = ConfigFolder().load(text);

  EXPECT_NE(text.find("# preset: \"jordan\"\n"), std::string::npos) << text;
  EXPECT_EQ(loaded.optimizer.muon.adamw.lr, std::nullopt);
  EXPECT_EQ(loaded.optimizer.muon.adamw.eps, 1e-10);
  EXPECT_EQ(loaded.optimizer.muon.momentum_form, optim::MomentumForm::kEma);
}

TEST(PresetTest, AnUnknownOneIsAnErrorThatProposesTheNearest) {
  const std::string error = test::config_error(
      [] { (void)load_config({.overrides = {"optimizer.muon.preset=jordn"}}); });

  EXPECT_TRUE(
      error.starts_with("--set optimizer.muon.preset=jordn: "
                        "optimizer.muon.preset is 'jordn'; allowed: adaptive | "))
      << error;
  EXPECT_TRUE(error.ends_with("did you mean 'jordan'?")) << error;
}

}  // namespace
}  // namespace shardopt::config
