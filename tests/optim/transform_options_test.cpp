#include "shardopt/optim/transform_options.h"

#include <algorithm>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "optim/transform_testing.h"
#include "shardopt/core/error.h"
#include "shardopt/optim/transform_registry.h"

namespace shardopt::optim {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::string complaint(const std::vector<TransformRule>& rules) {
  return message_of<ConfigError>([&] { check_transforms(rules, false); });
}

TEST(TransformTableTest, NamesAreSortedAndThoseThatCanBeBuilt) {
  const std::vector<std::string> names = transform_names();
  EXPECT_TRUE(std::ranges::is_sorted(names));
  std::vector<std::string> built = make_transform_registry().names();
  built.insert(built.end(), {"accumulate", "unscale"});
  std::ranges::sort(built);
  EXPECT_EQ(names, built);
}

TEST(TransformTableTest, FieldsAreThoseThatARuleCanSet) {
  std::set<std::string> in_table = {"name"};
  for (const TransformInfo& info : transform_infos()) {
    EXPECT_FALSE(info.meaning.empty() || info.source.empty()) << info.name;
    for (const TransformField& field : info.fields) in_table.insert(field.name);
  }
  TransformRule rule;
  std::set<std::string> in_rule;
  for (const Option& option : options_of(rule)) in_rule.insert(option.name);
  EXPECT_EQ(in_table, in_rule);
}

TEST(TransformTableTest, SaysDefaultsAndRangesOfFields) {
  const auto info =
      std::ranges::find(transform_infos(), "grokfast_ema", &TransformInfo::name);
  ASSERT_NE(info, transform_infos().end());
  ASSERT_EQ(info->fields.size(), 3U);
  EXPECT_EQ(info->fields[0].name, "alpha");
  EXPECT_EQ(info->fields[0].allowed, "[0, 1)");
  EXPECT_EQ(info->fields[0].default_value, OptionValue(0.98));
  EXPECT_EQ(info->fields[1].default_value, OptionValue(2.0));
  EXPECT_EQ(info->fields[2].allowed, "first | zero");
  EXPECT_EQ(info->fields[2].default_value, OptionValue(std::string("first")));
}

TEST(TransformRuleTest, EveryFieldReachesItsTransform) {
  EXPECT_EQ(options_from<AccumulateOptions>({.steps = 3}, "").steps, 3);
  EXPECT_EQ(options_from<ClipNormOptions>({.max_norm = 0.5}, "").max_norm, 0.5);
  EXPECT_EQ(options_from<ClipValueOptions>({.value = 0.5}, "").value, 0.5);
  const auto clip =
      options_from<ClipGlobalNormOptions>({.max_norm = 2.0, .form = "torch"}, "");
  EXPECT_EQ(clip.max_norm, 2.0);
  EXPECT_EQ(clip.form, ClipForm::kTorch);
  const auto ema =
      options_from<GrokFastEmaOptions>({.alpha = 0.5, .lamb = 3.0, .init = "zero"}, "");
  EXPECT_EQ(ema.alpha, 0.5);
  EXPECT_EQ(ema.lamb, 3.0);
  EXPECT_EQ(ema.init, EmaInit::kZero);
  const auto ma = options_from<GrokFastMaOptions>(
      {.lamb = 3.0, .window = 7, .filter = "sum", .warmup = false, .trigger = true},
      "");
  EXPECT_EQ(ma.lamb, 3.0);
  EXPECT_EQ(ma.window, 7);
  EXPECT_EQ(ma.filter, WindowFilter::kSum);
  EXPECT_FALSE(ma.warmup);
  EXPECT_TRUE(ma.trigger);
}

TEST(TransformRuleTest, UnknownNameIsRefusedWithItsPlaceAndWhatIsNear) {
  const std::string text =
      complaint({{.name = "orthograd"}, {.name = "grokfast_emma"}});
  expect_contains(text, "transform[1].name is 'grokfast_emma'; allowed: accumulate | ");
  expect_contains(text, "did you mean 'grokfast_ema'?");
}

TEST(TransformRuleTest, FieldOfAnotherTransformIsRefusedWithTheOwnOnes) {
  EXPECT_EQ(complaint({{.name = "clip_norm", .max_norm = 1.0, .alpha = 0.5}}),
            "transform[0].alpha is 0.5, but 'clip_norm' has no such field; it has: "
            "max_norm");
  EXPECT_EQ(complaint({{.name = "orthograd", .warmup = true}}),
            "transform[0].warmup is true, but 'orthograd' has no such field; it has: "
            "none");
}

TEST(TransformRuleTest, FieldThatMustBeGivenIsAskedFor) {
  EXPECT_EQ(complaint({{.name = "clip_norm"}}),
            "transform[0].max_norm is unset, but 'clip_norm' needs it; allowed: > 0");
  expect_contains(complaint({{.name = "clip_global_norm"}}), "max_norm is unset");
  expect_contains(complaint({{.name = "clip_value"}}), "value is unset");
  expect_contains(complaint({{.name = "accumulate"}}),
                  "steps is unset, but 'accumulate' needs it; allowed: >= 2");
}

TEST(TransformRuleTest, ValueOutOfRangeIsRefused) {
  const std::vector<std::pair<TransformRule, std::string>> cases = {
      {{.name = "accumulate", .steps = 1}, "steps is 1; allowed: >= 2"},
      {{.name = "clip_norm", .max_norm = 0.0}, "max_norm is 0; allowed: > 0"},
      {{.name = "clip_norm", .max_norm = kNaN}, "max_norm is nan; allowed: > 0"},
      {{.name = "clip_global_norm", .max_norm = -1.0}, "max_norm is -1; allowed: > 0"},
      {{.name = "clip_global_norm", .max_norm = 1.0, .form = "tensorflow"},
       "form is 'tensorflow'; allowed: keras | torch"},
      {{.name = "clip_value", .value = 0.0}, "value is 0; allowed: > 0"},
      {{.name = "grokfast_ema", .alpha = 1.0}, "alpha is 1; allowed: [0, 1)"},
      {{.name = "grokfast_ema", .lamb = -1.0}, "lamb is -1; allowed: >= 0"},
      {{.name = "grokfast_ema", .init = "frist"},
       "init is 'frist'; allowed: first | zero; did you mean 'first'?"},
      {{.name = "grokfast_ma", .window = 0}, "window is 0; allowed: [1, 65536]"},
      {{.name = "grokfast_ma", .lamb = kNaN}, "lamb is nan; allowed: >= 0"},
      {{.name = "grokfast_ma", .filter = "max"},
       "filter is 'max'; allowed: mean | sum"},
  };
  for (const auto& [rule, problem] : cases) {
    EXPECT_EQ(complaint({rule}), "transform[0]." + problem);
  }
}

}  // namespace
}  // namespace shardopt::optim
