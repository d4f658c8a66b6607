#include "shardopt/config/config_changes.h"

#include <functional>

#include "config_test_support.h"
#include "option_tree.h"
#include "shardopt/config/print_config.h"

namespace shardopt::config {
namespace {

using Lines = std::vector<std::string>;

Lines changes(const TrainConfig& before, const TrainConfig& now) {
  return config_changes(print_config(before), print_config(now));
}

TEST(ConfigChangesTest, AreNoneBetweenEqualConfigurations) {
  EXPECT_EQ(changes(load_config({}), load_config({})), Lines{});
}

TEST(ConfigChangesTest, NamePathsAndBothValuesInOrder) {
  const TrainConfig now = load_config(
      {.overrides = {"data.path=a: {b}", "train.steps=200", "optimizer.lr=0.5"}});
  EXPECT_EQ(changes(load_config({}), now),
            (Lines{"data.path \"\" -> \"a: {b}\"", "optimizer.lr unset -> 0.5",
                   "train.steps 1000 -> 200"}));
  EXPECT_EQ(changes(now, load_config({})),
            (Lines{"data.path \"a: {b}\" -> \"\"", "train.steps 200 -> 1000",
                   "optimizer.lr 0.5 -> unset"}));
}

TEST(ConfigChangesTest, TellNestedBlocksApart) {
  EXPECT_EQ(changes(load_config({}),
                    load_config({.overrides = {"optimizer.muon.adamw.beta1=0.5",
                                               "optimizer.adamw.beta1=0.25"}})),
            (Lines{"optimizer.adamw.beta1 0.9 -> 0.25",
                   "optimizer.muon.adamw.beta1 0.9 -> 0.5"}));
}

TEST(ConfigChangesTest, TellGroupsAndNamedValuesApart) {
  const auto with = [](Lines overrides) {
    return load_config({.overrides = std::move(overrides)});
  };
  const TrainConfig before =
      with({"optimizer.group[0].pattern=a", "optimizer.group[1].pattern=b",
            "optimizer.options.x=1"});
  const TrainConfig now =
      with({"optimizer.group[0].pattern=a", "optimizer.group[1].pattern=c",
            "optimizer.options.x=2"});
  EXPECT_EQ(changes(before, now),
            (Lines{"optimizer.options { name: \"x\" integer: 1 } -> { name: \"x\" "
                   "integer: 2 }",
                   "optimizer.group[1].pattern \"b\" -> \"c\""}));
}

// Fields that a version has added, or given up.
TEST(ConfigChangesTest, CallAFieldUnsetThatATextLacks) {
  EXPECT_EQ(config_changes("train {\n  old: 1\n}\n", "train {\n  new: 2\n}\n"),
            (Lines{"train.new unset -> 2", "train.old 1 -> unset"}));
  EXPECT_EQ(config_changes("", "train {\n  new: 2\n}\n"),
            Lines{"train.new unset -> 2"});
}

TEST(ConfigChangesTest, SeeEveryFieldThatDiffers) {
  TrainConfig config;
  TrainConfig changed;
  const Block tree = make_option_tree(changed);
  for_each_option(tree, [&](const std::string& path, const Option& option) {
    const OptionValue before = option.get();
    OptionValue value = before;
    if (option.type == "flag") value = before != OptionValue(true);
    if (option.type == "integer")
      value = before == OptionValue(int64_t{3}) ? int64_t{4} : int64_t{3};
    if (option.type == "number") value = 0.125;
    if (option.allowed == "any text") value = std::string("other");
    if (value == before) return;  // A choice.
    option.set(value);
    const Lines lines = changes(config, changed);
    ASSERT_EQ(lines.size(), 1U) << path;
    EXPECT_TRUE(lines[0].starts_with(path + " ")) << lines[0];
    option.set(before);
  });
}

}  // namespace
}  // namespace shardopt::config
