#include "metrics.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "shardopt/core/error.h"
#include "support/scratch_dir.h"

namespace shardopt::train {
namespace {

const std::string kHeader =
    "step,tokens,loss,val_loss,lr,grad_norm,tokens_per_second,seconds\n";

class MetricsFileTest : public testing::Test {
 protected:
  std::filesystem::path path() const { return scratch_.path() / "metrics.csv"; }
  std::string contents() const {
    std::ifstream file(path());
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  const test::ScratchDir scratch_;
};

TEST_F(MetricsFileTest, BeginsWithTheHeader) {
  const MetricsFile file(path());
  EXPECT_EQ(contents(), kHeader);
}

TEST_F(MetricsFileTest, WritesARowAtOnceWithEmptyCellsForWhatWasNotMeasured) {
  MetricsFile file(path());
  file.append({.step = 1, .tokens = 2048, .loss = 5.5, .lr = 0.006, .seconds = 0.25});
  EXPECT_EQ(contents(), kHeader + "1,2048,5.5,,0.006,,,0.25\n");
  file.append({.step = 2,
               .tokens = 4096,
               .val_loss = 2.0,
               .grad_norm = 1e-9,
               .tokens_per_second = 123456.75});
  EXPECT_EQ(contents(), kHeader +
                            "1,2048,5.5,,0.006,,,0.25\n"
                            "2,4096,,2,,1e-09,123456.75,\n");
}

TEST_F(MetricsFileTest, NumbersReadBackToTheSameBits) {
  MetricsFile file(path());
  const double third = 1.0 / 3.0;
  const double tiny = std::numeric_limits<double>::denorm_min();
  file.append({.step = 1, .tokens = 1, .loss = third, .val_loss = tiny});

  const std::string row = contents().substr(kHeader.size());
  const std::size_t loss = row.find(',', 2) + 1;
  EXPECT_EQ(std::strtod(row.c_str() + loss, nullptr), third);
  EXPECT_EQ(std::strtod(row.c_str() + row.find(',', loss) + 1, nullptr), tiny);
}

TEST_F(MetricsFileTest, WritesNanAndInfinityAsPythonReadsThem) {
  MetricsFile file(path());
  file.append({.step = 1,
               .tokens = 1,
               .loss = std::nan(""),
               .grad_norm = std::numeric_limits<double>::infinity()});
  EXPECT_EQ(contents(), kHeader + "1,1,nan,,,inf,,\n");
}

TEST_F(MetricsFileTest, EmptiesTheFileOfAnEarlierRun) {
  std::ofstream(path()) << std::string(1000, 'x');
  const MetricsFile file(path());
  EXPECT_EQ(contents(), kHeader);
}

class MetricsResumeTest : public MetricsFileTest {
 protected:
  // What a run leaves that goes on from step `resumed` over `before`.
  std::string goes_on(const std::string& before, int64_t resumed) const {
    std::filesystem::remove(path());
    std::ofstream(path(), std::ios::binary) << before;
    MetricsFile file(path(), resumed);
    file.append({.step = resumed + 1, .tokens = 7});
    return contents();
  }
};

TEST_F(MetricsResumeTest, KeepsRowsUpToTheStepAndAppends) {
  const std::string rows = kHeader + "8,1,,,,,,\n9,1,,,,,,\n10,1,,,,,,\n11,1,,,,,,\n";
  EXPECT_EQ(goes_on(rows, 9), kHeader + "8,1,,,,,,\n9,1,,,,,,\n10,7,,,,,,\n");
  EXPECT_EQ(goes_on(rows, 11), rows + "12,7,,,,,,\n");
  EXPECT_EQ(goes_on(rows, 12), rows + "13,7,,,,,,\n");  // A row was lost.
  EXPECT_EQ(goes_on(rows, 3), kHeader + "4,7,,,,,,\n");
}

TEST_F(MetricsResumeTest, DropsARowThatACrashHasCutOff) {
  const std::string rows = kHeader + "8,1,,,,,,\n";
  for (const char* torn : {"9", "9,1,,", "9,1,,,,,,"}) {
    EXPECT_EQ(goes_on(rows + torn, 9), rows + "10,7,,,,,,\n") << torn;
  }
}

TEST_F(MetricsResumeTest, BeginsAFileThatIsMissingEmptyOrWithoutAWholeHeader) {
  const std::string expected = kHeader + "10,7,,,,,,\n";
  EXPECT_EQ(goes_on("", 9), expected);
  EXPECT_EQ(goes_on("step,tok", 9), expected);
  std::filesystem::remove(path());
  MetricsFile(path(), 9).append({.step = 10, .tokens = 7});
  EXPECT_EQ(contents(), expected);
}

std::string failure(const std::filesystem::path& path, int64_t resumed = 0) {
  try {
    const MetricsFile file(path, resumed);
  } catch (const ConfigError& error) {
    return error.what_without_backtrace();
  }
  return "no failure";
}

TEST_F(MetricsFileTest, NamesThePathThatCannotBeWritten) {
  EXPECT_EQ(failure(path() / "x"),
            path().string() + "/x cannot be written: No such file or directory");
  EXPECT_EQ(failure("/dev/full"), "/dev/full: writing failed: No space left on device");
}

TEST_F(MetricsResumeTest, NamesColumnsThatAreNotItsOwnAndLeavesThemAlone) {
  std::ofstream(path()) << "step,loss\n1,2\n";
  EXPECT_EQ(failure(path(), 1),
            path().string() + ": cannot go on, its columns are others: step,loss");
  EXPECT_EQ(contents(), "step,loss\n1,2\n");
}

}  // namespace
}  // namespace shardopt::train
