#include "shardopt/config/checkpoint_options.h"

#include "config_test_support.h"

namespace shardopt::config {
namespace {

using test::config_error;
using ::testing::TestWithParam;
using ::testing::Values;

TEST(ParseResumeTest, KnowsItsWordsStepsAndPaths) {
  EXPECT_EQ(parse_resume("auto").kind, ResumeKind::kAuto);
  EXPECT_EQ(parse_resume("none").kind, ResumeKind::kNone);
  EXPECT_EQ(parse_resume("step=12").kind, ResumeKind::kStep);
  EXPECT_EQ(parse_resume("step=12").step, 12);
  EXPECT_EQ(parse_resume("step=0").step, 0);
  EXPECT_EQ(parse_resume("runs/step_000000000012").kind, ResumeKind::kPath);
  EXPECT_EQ(parse_resume("runs/step_000000000012").path, "runs/step_000000000012");
}

class ParseResumeErrorTest : public TestWithParam<const char*> {};

TEST_P(ParseResumeErrorTest, NamesValueAndWhatIsAllowed) {
  EXPECT_EQ(config_error([] { (void)parse_resume(GetParam()); }),
            "checkpoint.resume is '" + std::string(GetParam()) +
                "'; allowed: step=N with a whole N >= 0");
}

INSTANTIATE_TEST_SUITE_P(Steps, ParseResumeErrorTest,
                         Values("step=", "step=x", "step=-1", "step=1.5", "step=1 ",
                                "step=99999999999999999999"));

TEST(ParseResumeErrorTest, RefusesNothing) {
  EXPECT_EQ(config_error([] { (void)parse_resume(""); }),
            "checkpoint.resume is empty; allowed: auto, none, step=N or a path");
}

TEST(SplitListTest, DropsSpacesAroundPartsAndEmptyOnes) {
  EXPECT_EQ(split_list("a"), std::vector<std::string>{"a"});
  EXPECT_EQ(split_list(" a b , c*,,"), (std::vector<std::string>{"a b", "c*"}));
  EXPECT_EQ(split_list(""), std::vector<std::string>{});
  EXPECT_EQ(split_list(" , "), std::vector<std::string>{});
}

struct RangeCase {
  const char* assignment;
  const char* problem;
};

class CheckpointRangeTest : public TestWithParam<RangeCase> {};

TEST_P(CheckpointRangeTest, RefusesWhatIsOutOfIt) {
  const auto& [assignment, problem] = GetParam();
  EXPECT_EQ(config_error([&] { (void)load_config({.overrides = {assignment}}); }),
            "--set " + std::string(assignment) + ": " + problem);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, CheckpointRangeTest,
    Values(RangeCase{"checkpoint.every_steps=-1",
                     "checkpoint.every_steps is -1; allowed: >= 0"},
           RangeCase{"checkpoint.every_seconds=-1",
                     "checkpoint.every_seconds is -1; allowed: >= 0"},
           RangeCase{"checkpoint.keep=-1", "checkpoint.keep is -1; allowed: >= 0"},
           RangeCase{"checkpoint.keep_every=-1",
                     "checkpoint.keep_every is -1; allowed: >= 0"},
           RangeCase{"checkpoint.async=1", "not a flag; allowed: true | false"},
           RangeCase{"checkpoint.lock_seconds=-1",
                     "checkpoint.lock_seconds is -1; allowed: [0, 604800]"},
           RangeCase{"checkpoint.discard_later=no",
                     "not a flag; allowed: true | false"},
           RangeCase{"checkpoint.on_error=warm",
                     "checkpoint.on_error is 'warm'; allowed: warn | abort; did you "
                     "mean 'warn'?"},
           RangeCase{"checkpoint.max_failures=0",
                     "checkpoint.max_failures is 0; allowed: >= 1"},
           RangeCase{"checkpoint.pending=waits",
                     "checkpoint.pending is 'waits'; allowed: wait | skip | fail; did "
                     "you mean 'wait'?"},
           RangeCase{"checkpoint.host_budget_mib=0",
                     "checkpoint.host_budget_mib is 0; allowed: [1, 1048576]"},
           RangeCase{"checkpoint.max_fallback=-1",
                     "checkpoint.max_fallback is -1; allowed: [0, 65536]"},
           RangeCase{"checkpoint.direct_io=2", "not a flag; allowed: true | false"},
           RangeCase{"checkpoint.check_space=2", "not a flag; allowed: true | false"},
           RangeCase{"checkpoint.require_same_ranks=2",
                     "not a flag; allowed: true | false"},
           RangeCase{"train.stop_after=-1", "train.stop_after is -1; allowed: >= 0"}));

}  // namespace
}  // namespace shardopt::config
