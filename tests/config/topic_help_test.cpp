// Pages of help about a part of the configuration.
#include "shardopt/config/topic_help.h"

#include "config_test_support.h"
#include "option_tree.h"
#include "shardopt/core/coefficients.h"
#include "shardopt/optim/algorithm_table.h"
#include "shardopt/optim/muon_presets.h"
#include "shardopt/optim/optimizer_registry.h"

namespace shardopt::config {
namespace {

void expect_in(const std::string& page, const std::string& text) {
  EXPECT_NE(page.find(text), std::string::npos) << text << " is not in\n" << page;
}

TEST(TopicHelpTest, OfABlockHasEveryOptionInItWithDefaultAndRange) {
  TrainConfig defaults = defaults_with_entries();
  const Block root = make_option_tree(defaults);
  for (const char* path :
       {"optimizer.muon", "optimizer.nadam", "train", "loss_scale"}) {
    const std::string page = topic_help(path);
    for_each_option(*find_block(root, path),
                    [&](const std::string& field, const Option& option) {
                      expect_in(page, "\n" + field + " ");
                      expect_in(page, "  " + to_string(option.get()) + "  ");
                      expect_in(page, "  " + option.allowed + "  ");
                      expect_in(page, option.help + "\n");
                    });
  }
}

TEST(TopicHelpTest, OfAnAlgorithmNamesItsSource) {
  for (const optim::AlgorithmInfo& info : optim::algorithm_table()) {
    expect_in(topic_help("optimizer." + info.name), "\nSource: " + info.source + "\n");
    expect_in(topic_help("optimizer"), "\n" + info.name + " ");
  }
}

TEST(TopicHelpTest, OfMuonListsPresetsWithValuesAndCoefficientsWithSources) {
  const std::string page = topic_help("optimizer.muon");
  for (const optim::MuonPreset& preset : optim::muon_presets()) {
    expect_in(page, "\n  " + preset.name + ": " + preset.source + "\n");
    for (const auto& [path, value] : preset.values) {
      expect_in(page, "\n    " + path + ": " + to_string(value) + "\n");
    }
  }
  for (const CoefficientTable& table : coefficient_tables()) {
    expect_in(page, "\n" + table.name + " ");
    expect_in(page, table.source + "\n");
  }
}

TEST(TopicHelpTest, OfAFieldIsItsLineWithWhatItChoosesFrom) {
  EXPECT_EQ(topic_help("average.momentum"),
            "field             type    default  allowed  meaning\n"
            "average.momentum  number  0.99     [0, 1]   " +
                topic_help("average.momentum")
                    .substr(topic_help("average.momentum").rfind("  ") + 2));
  expect_in(topic_help("optimizer.muon.preset"), "\n  moonlight: ");
  EXPECT_EQ(topic_help("optimizer.muon.preset").find("momentum_form  "),
            std::string::npos);
}

TEST(TopicHelpTest, OfTransformsListsAllAndOfEachItsFields) {
  const std::string all = topic_help("transform");
  for (const optim::TransformInfo& info : optim::transform_infos()) {
    expect_in(all, "\n" + info.name + " ");
    const std::string page = topic_help("transform." + info.name);
    expect_in(page, info.meaning + "\nSource: " + info.source + "\n");
    for (const optim::TransformField& field : info.fields) {
      expect_in(page, "\n" + field.name + " ");
    }
  }
  expect_in(topic_help("transform.clip_value"), "none: give it");
  expect_in(topic_help("transform.grokfast_ema"), "0.98");
}

TEST(TopicHelpTest, TakesEntriesOfListsWithAnyIndexOrNone) {
  const std::string page = topic_help("optimizer.group");

  expect_in(page, "\noptimizer.group[i].pattern ");
  EXPECT_EQ(topic_help("optimizer.group[i]"), page);
  EXPECT_EQ(topic_help("optimizer.group[12]"), page);
}

TEST(TopicHelpTest, AnUnknownTopicIsAnErrorThatProposesTheNearest) {
  EXPECT_EQ(
      test::config_error([] { (void)topic_help("optimizer.moun"); }),
      "--help optimizer.moun: unknown block or field; did you mean "
      "'optimizer.muon'?; known: model, data, optimizer, transform, loss_scale, "
      "average, schedule, train, mesh, output, profile, checkpoint, and what is in "
      "them");
  for (const char* topic : {"", "optimizer.", "transform.grokfast", "\n\x01[", "]"}) {
    const std::string error = test::config_error([&] { (void)topic_help(topic); });
    EXPECT_NE(error.find("unknown block or field"), std::string::npos) << error;
  }
}

TEST(OptimizerListTest, HasEveryRegisteredOptimizerWithItsSource) {
  const std::string list = "\n" + optimizer_list();
  const std::vector<std::string> names = optim::make_optimizer_registry().names();

  for (const std::string& name : names) expect_in(list, "\n" + name + " ");
  EXPECT_EQ(optim::algorithm_table().size(), names.size());
}

}  // namespace
}  // namespace shardopt::config
