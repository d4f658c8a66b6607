#include "shardopt/core/option.h"

#include <gtest/gtest.h>

#include <cmath>

#include "shardopt/core/error.h"

namespace shardopt {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

enum class Scale : uint8_t { kFlat, kRms };

TEST(OptionValueTest, PrintsAsTyped) {
  EXPECT_EQ(to_string(OptionValue()), "unset");
  EXPECT_EQ(to_string(true), "true");
  EXPECT_EQ(to_string(false), "false");
  EXPECT_EQ(to_string(int64_t{-12}), "-12");
  EXPECT_EQ(to_string(std::string("text")), "'text'");
}

TEST(OptionValueTest, DoublesReadBackExactly) {
  for (const double value : {0.1, 1e-300, -3.0, 1.0 / 3.0, 5e-324}) {
    EXPECT_EQ(std::strtod(to_string(OptionValue(value)).c_str(), nullptr), value);
  }
  EXPECT_EQ(to_string(0.1), "0.1");
}

TEST(RangeTest, ClosedBoundsAreAllowedAndOpenOnesAreNot) {
  EXPECT_TRUE(kNonNegative.contains(0.0));
  EXPECT_FALSE(kNonNegative.contains(-1e-300));
  EXPECT_FALSE(kPositive.contains(0.0));
  EXPECT_TRUE(kPositive.contains(5e-324));
  EXPECT_TRUE(kFraction.contains(0.0));
  EXPECT_FALSE(kFraction.contains(1.0));
  EXPECT_TRUE(kUnit.contains(1.0));
  EXPECT_FALSE(kUnit.contains(1.0000001));
}

TEST(RangeTest, NanAndInfinityLieInNone) {
  for (const Range& range : {Range{}, kPositive, kNonNegative, kUnit}) {
    EXPECT_FALSE(range.contains(kNaN));
    EXPECT_FALSE(range.contains(kInfinity));
    EXPECT_FALSE(range.contains(-kInfinity));
  }
}

TEST(RangeTest, SaysWhatIsAllowed) {
  EXPECT_EQ(Range{}.text(), "any number");
  EXPECT_EQ(kPositive.text(), "> 0");
  EXPECT_EQ(kNonNegative.text(), ">= 0");
  EXPECT_EQ(kFraction.text(), "[0, 1)");
  EXPECT_EQ(kUnit.text(), "[0, 1]");
  EXPECT_EQ((Range{.min = 0.5, .max = 2.0, .min_open = true}.text()), "(0.5, 2]");
  EXPECT_EQ((Range{.max = 3.0}.text()), "<= 3");
  EXPECT_EQ((Range{.max = 3.0, .max_open = true}.text()), "< 3");
}

TEST(OptionTest, NumberReadsAndWritesItsTarget) {
  double lr = 0.1;
  const Option option = make_option("lr", lr, kNonNegative, "Step length.");
  EXPECT_EQ(option.name, "lr");
  EXPECT_EQ(option.help, "Step length.");
  EXPECT_EQ(option.type, "number");
  EXPECT_EQ(option.allowed, ">= 0");
  EXPECT_EQ(option.get(), OptionValue(0.1));

  option.set(0.25);
  EXPECT_EQ(lr, 0.25);
  option.set(int64_t{2});
  EXPECT_EQ(lr, 2.0);
}

TEST(OptionTest, NumberNamesWhatIsWrong) {
  double lr = 0.1;
  const Option option = make_option("lr", lr, kNonNegative, "");
  EXPECT_EQ(option.problem(0.0), "");
  EXPECT_EQ(option.problem(int64_t{3}), "");
  EXPECT_EQ(option.problem(-1.5), "is -1.5; allowed: >= 0");
  EXPECT_EQ(option.problem(int64_t{-1}), "is -1; allowed: >= 0");
  EXPECT_EQ(option.problem(kNaN), "is nan; allowed: >= 0");
  EXPECT_EQ(option.problem(kInfinity), "is inf; allowed: >= 0");
  EXPECT_EQ(option.problem(std::string("big")), "is 'big'; allowed: a number");
  EXPECT_EQ(option.problem(true), "is true; allowed: a number");
  EXPECT_EQ(option.problem(OptionValue()), "is unset; allowed: a number");
}

TEST(OptionTest, OptionalNumberMayBeUnset) {
  std::optional<double> clip;
  const Option option = make_option("clip", clip, kPositive, "");
  EXPECT_EQ(option.get(), OptionValue());
  EXPECT_EQ(option.problem(OptionValue()), "");
  EXPECT_EQ(option.problem(0.0), "is 0; allowed: > 0");

  option.set(int64_t{2});
  EXPECT_EQ(clip, 2.0);
  EXPECT_EQ(option.get(), OptionValue(2.0));
  option.set(OptionValue());
  EXPECT_EQ(clip, std::nullopt);
}

TEST(OptionTest, IntegerTakesWholeNumbersInRangeOnly) {
  int64_t steps = 5;
  const Option option = make_option("steps", steps, Range{.min = 1, .max = 20}, "");
  EXPECT_EQ(option.type, "integer");
  EXPECT_EQ(option.get(), OptionValue(int64_t{5}));
  EXPECT_EQ(option.problem(int64_t{1}), "");
  EXPECT_EQ(option.problem(int64_t{20}), "");
  EXPECT_EQ(option.problem(int64_t{0}), "is 0; allowed: [1, 20]");
  EXPECT_EQ(option.problem(int64_t{21}), "is 21; allowed: [1, 20]");
  EXPECT_EQ(option.problem(5.0), "is 5; allowed: a whole number");
  option.set(int64_t{7});
  EXPECT_EQ(steps, 7);
}

TEST(OptionTest, OptionalIntegerMayBeUnset) {
  std::optional<int64_t> steps = 5;
  const Option option = make_option("steps", steps, Range{.min = 2}, "");
  EXPECT_EQ(option.type, "integer");
  EXPECT_EQ(option.allowed, ">= 2");
  EXPECT_EQ(option.get(), OptionValue(int64_t{5}));
  EXPECT_EQ(option.problem(OptionValue()), "");
  EXPECT_EQ(option.problem(int64_t{1}), "is 1; allowed: >= 2");
  EXPECT_EQ(option.problem(2.0), "is 2; allowed: a whole number");

  option.set(OptionValue());
  EXPECT_EQ(steps, std::nullopt);
  option.set(int64_t{7});
  EXPECT_EQ(steps, 7);
}

TEST(OptionTest, OptionalFlagMayBeUnset) {
  std::optional<bool> warmup;
  const Option option = make_option("warmup", warmup, "");
  EXPECT_EQ(option.get(), OptionValue());
  EXPECT_EQ(option.problem(OptionValue()), "");
  EXPECT_EQ(option.problem(1.0), "is 1; allowed: true | false");
  option.set(false);
  EXPECT_EQ(warmup, false);
  EXPECT_EQ(option.get(), OptionValue(false));
  option.set(OptionValue());
  EXPECT_EQ(warmup, std::nullopt);
}

TEST(OptionTest, OptionalTextMayBeUnset) {
  std::optional<std::string> form;
  const Option option = make_option("form", form, "");
  EXPECT_EQ(option.get(), OptionValue());
  EXPECT_EQ(option.problem(OptionValue()), "");
  EXPECT_EQ(option.problem(true), "is true; allowed: text");
  option.set(std::string("torch"));
  EXPECT_EQ(form, "torch");
  option.set(OptionValue());
  EXPECT_EQ(form, std::nullopt);
}

TEST(OptionTest, FlagTakesFlagsOnly) {
  bool nesterov = true;
  const Option option = make_option("nesterov", nesterov, "");
  EXPECT_EQ(option.type, "flag");
  EXPECT_EQ(option.allowed, "true | false");
  EXPECT_EQ(option.get(), OptionValue(true));
  EXPECT_EQ(option.problem(false), "");
  EXPECT_EQ(option.problem(int64_t{1}), "is 1; allowed: true | false");
  option.set(false);
  EXPECT_FALSE(nesterov);
}

TEST(OptionTest, TextTakesAnyTextOnly) {
  std::string path = "a";
  const Option option = make_option("path", path, "");
  EXPECT_EQ(option.type, "text");
  EXPECT_EQ(option.get(), OptionValue(std::string("a")));
  EXPECT_EQ(option.problem(std::string()), "");
  EXPECT_EQ(option.problem(1.5), "is 1.5; allowed: text");
  option.set(std::string("b"));
  EXPECT_EQ(path, "b");
}

TEST(OptionTest, ChoiceTakesListedTextsOnly) {
  std::string name = "adamw";
  const Option option = make_choice("name", name, {"adamw", "lion"}, "");
  EXPECT_EQ(option.allowed, "adamw | lion");
  EXPECT_EQ(option.problem(std::string("lion")), "");
  EXPECT_EQ(option.problem(std::string("loin")),
            "is 'loin'; allowed: adamw | lion; did you mean 'lion'?");
  EXPECT_EQ(option.problem(std::string("rex")), "is 'rex'; allowed: adamw | lion");
  EXPECT_EQ(option.problem(int64_t{1}), "is 1; allowed: adamw | lion");
  option.set(std::string("lion"));
  EXPECT_EQ(name, "lion");
}

TEST(OptionTest, EnumerationIsChosenByName) {
  Scale scale = Scale::kFlat;
  const Option option =
      make_choice("scale", scale, {{"flat", Scale::kFlat}, {"rms", Scale::kRms}}, "");
  EXPECT_EQ(option.type, "text");
  EXPECT_EQ(option.allowed, "flat | rms");
  EXPECT_EQ(option.get(), OptionValue(std::string("flat")));
  EXPECT_EQ(option.problem(std::string("rms")), "");
  EXPECT_EQ(option.problem(std::string("max")), "is 'max'; allowed: flat | rms");
  option.set(std::string("rms"));
  EXPECT_EQ(scale, Scale::kRms);
}

TEST(CheckOptionsTest, ThrowsAtFirstValueThatIsNotAllowed) {
  double beta1 = 1.5;
  double beta2 = 7.0;
  const std::vector<Option> options{make_option("beta1", beta1, kFraction, ""),
                                    make_option("beta2", beta2, kFraction, "")};
  try {
    check_options("adamw", options);
    FAIL() << "nothing was thrown";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what_without_backtrace(),
                 "adamw: beta1 is 1.5; allowed: [0, 1)");
  }
}

TEST(CheckOptionsTest, AcceptsAllowedValuesAndNoOptions) {
  double beta1 = 0.9;
  const std::vector<Option> options{make_option("beta1", beta1, kFraction, "")};
  EXPECT_NO_THROW(check_options("adamw", options));
  EXPECT_NO_THROW(check_options("adamw", {}));
}

}  // namespace
}  // namespace shardopt
