#include "progress.h"

#include <cmath>
#include <limits>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "console.h"
#include "tools/terminal.h"

namespace shardopt::train {
namespace {

StepMetrics metrics_of(int64_t step, double seconds) {
  return {.step = step,
          .tokens = step * 100,
          .loss = 5.0 - 0.125 * static_cast<double>(step),
          .lr = 0.006,
          .grad_norm = 1.5,
          .tokens_per_second = 12345.4,
          .seconds = seconds};
}

// Two seconds a step after the first: at step 10 of 12, 2 steps are left.
TEST(ProgressTest, LogsTheFirstStepThenEveryTenthAndTheLast) {
  const test::Log log;
  Console console(log.descriptor());
  Progress progress(console, 12, 10);
  for (int64_t step = 1; step <= 12; ++step) {
    progress.update(metrics_of(step, 1.0 + 2.0 * static_cast<double>(step)));
  }
  EXPECT_EQ(
      log.written(),
      "step 1/12  loss 4.8750  lr 0.006  norm 1.500  12,345 tokens/s  ETA ?\n"
      "step 10/12  loss 3.7500  lr 0.006  norm 1.500  12,345 tokens/s  ETA 0:04\n"
      "step 12/12  loss 3.5000  lr 0.006  norm 1.500  12,345 tokens/s  took 0:25\n");
}

TEST(ProgressTest, LogsEveryStepThatHasAValidationLoss) {
  const test::Log log;
  Console console(log.descriptor());
  Progress progress(console, 100, 50);
  progress.update({.step = 1, .seconds = 1.0});
  progress.update({.step = 2, .val_loss = 2.5, .seconds = 2.0});
  progress.update({.step = 3, .seconds = 3.0});
  EXPECT_EQ(log.written(), "step 1/100  ETA ?\nstep 2/100  val 2.5000  ETA 1:38\n");
}

TEST(ProgressTest, KeepsTheLastValidationLossInTheLiveLine) {
  const test::Terminal terminal(120);
  Console console(terminal.descriptor());
  Progress progress(console, 100, 1);
  progress.update({.step = 1, .val_loss = 2.5, .seconds = 1.0});
  progress.update({.step = 2, .loss = 3.0, .seconds = 2.0});
  EXPECT_EQ(terminal.written(),
            "step 1/100  val 2.5000  ETA ?\r\n"
            "\r\x1b[Kstep 2/100  loss 3.0000  val 2.5000  ETA 1:38");
}

TEST(ProgressTest, DrawsTheLiveLineAtMostTenTimesASecond) {
  const test::Terminal terminal(120);
  Console console(terminal.descriptor());
  Progress progress(console, 1000, 1);
  progress.update({.step = 1, .seconds = 0.0});
  static_cast<void>(terminal.written());
  int draws = 0;
  for (int64_t step = 2; step <= 101; ++step) {  // One second in steps of 10 ms.
    progress.update({.step = step, .seconds = 0.01 * static_cast<double>(step)});
    draws += terminal.written().empty() ? 0 : 1;
  }
  EXPECT_GE(draws, 9);
  EXPECT_LE(draws, 11);
}

TEST(ProgressTest, CountsTimeFromWhereAResumedRunBegan) {
  const test::Log log;
  Console console(log.descriptor());
  Progress progress(console, 100, 1, 91);
  progress.update({.step = 91, .seconds = 5.0});
  progress.update({.step = 92, .seconds = 8.0});
  EXPECT_EQ(log.written(), "step 91/100  ETA ?\nstep 92/100  ETA 0:24\n");
}

TEST(ProgressTest, ShowsALossThatIsNotFinite) {
  const test::Log log;
  Console console(log.descriptor());
  Progress progress(console, 9, 1);
  progress.update({.step = 1, .loss = std::nan(""), .seconds = 1.0});
  EXPECT_EQ(log.written(), "step 1/9  loss nan  ETA ?\n");
}

TEST(ProgressTest, RefusesBrokenPreconditions) {
  const test::Log log;
  Console console(log.descriptor());
  EXPECT_THROW(Progress(console, 9, 0), c10::Error);
  Progress progress(console, 9, 1);
  EXPECT_THROW(progress.update({.step = 1}), c10::Error);
}

TEST(FormatTest, WritesDurationsAsClocksDo) {
  EXPECT_EQ(format_duration(0.4), "0:00");
  EXPECT_EQ(format_duration(59.6), "1:00");
  EXPECT_EQ(format_duration(3599.0), "59:59");
  EXPECT_EQ(format_duration(7209.0), "2:00:09");
  EXPECT_EQ(format_duration(-1.0), "0:00");
}

TEST(FormatTest, GroupsThousands) {
  EXPECT_EQ(format_thousands(0.0), "0");
  EXPECT_EQ(format_thousands(999.0), "999");
  EXPECT_EQ(format_thousands(1000.0), "1,000");
  EXPECT_EQ(format_thousands(1234567.5), "1,234,568");
  EXPECT_EQ(format_thousands(-123456.0), "-123,456");
  EXPECT_EQ(format_thousands(std::numeric_limits<double>::infinity()), "inf");
}

}  // namespace
}  // namespace shardopt::train
