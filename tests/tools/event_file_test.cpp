#include "event_file.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "shardopt/core/error.h"
#include "support/scratch_dir.h"
#include "tools/python.h"

namespace shardopt::train {
namespace {

namespace fs = std::filesystem;

class EventFileTest : public testing::Test {
 protected:
  fs::path folder() const { return scratch_.path() / "run" / "tensorboard"; }
  fs::path file() const { return fs::directory_iterator(folder())->path(); }

 private:
  const test::ScratchDir scratch_;
};

// Every record's two CRCs are checked by the reader, which stops at a wrong one.
TEST_F(EventFileTest, TensorBoardReadsBackWhatWasWritten) {
  EventFile events(folder());
  events.append({.step = 1, .tokens = 2048, .loss = 5.5, .lr = 0.25});
  events.append({.step = 2,
                 .tokens = 4096,
                 .loss = 4.5,
                 .val_loss = 4.75,
                 .lr = 0.5,
                 .grad_norm = 1.5,
                 .tokens_per_second = 1000.0,
                 .seconds = 9.0});

  EXPECT_EQ(test::output_of(std::string("'") + SHARDOPT_PYTHON + "' '" +
                            SHARDOPT_REFERENCE_DIR + "/read_events.py' '" +
                            folder().string() + "'"),
            "grad_norm 2 1.5\n"
            "loss 1 5.5\n"
            "loss 2 4.5\n"
            "lr 1 0.25\n"
            "lr 2 0.5\n"
            "tokens 1 2048.0\n"
            "tokens 2 4096.0\n"
            "tokens_per_second 2 1000.0\n"
            "val_loss 2 4.75\n");
}

// Length 24 and its CRC, masked by hand: wall_time (9 bytes) and file_version (2 + 13).
TEST_F(EventFileTest, BeginsWithItsVersion) {
  const EventFile events(folder());
  std::ifstream stream(file(), std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(stream), {});

  ASSERT_EQ(bytes.size(), 8u + 4u + 24u + 4u);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x18\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes.substr(23, 13), "brain.Event:2");
}

TEST_F(EventFileTest, ZeroIsAValueToo) {
  EventFile(folder()).append({.step = 1, .lr = 0.0});
  EXPECT_EQ(test::output_of(std::string("'") + SHARDOPT_PYTHON + "' '" +
                            SHARDOPT_REFERENCE_DIR + "/read_events.py' '" +
                            folder().string() + "' | grep lr"),
            "lr 1 0.0\n");
}

// As TensorBoard shows them: what a later session voids is not there.
TEST_F(EventFileTest, AResumedRunVoidsTheStepsAfterTheOneThatItGoesOnFrom) {
  EventFile first(folder());
  for (const int step : {1, 2, 3, 4}) first.append({.step = step, .loss = 1.0 * step});
  EventFile resumed(folder(), 2);
  resumed.append({.step = 3, .loss = 30.0});

  EXPECT_EQ(test::output_of(std::string("'") + SHARDOPT_PYTHON + "' '" +
                            SHARDOPT_REFERENCE_DIR + "/read_events.py' '" +
                            folder().string() + "' | grep loss"),
            "loss 1 1.0\n"
            "loss 2 2.0\n"
            "loss 3 30.0\n");
}

TEST_F(EventFileTest, TwoFilesOfOneProcessHaveNamesOfTheirOwn) {
  const EventFile first(folder());
  const EventFile second(folder());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder()), fs::directory_iterator()),
            2);
}

TEST_F(EventFileTest, HasANameThatTensorBoardLooksFor) {
  const EventFile events(folder());
  EXPECT_TRUE(file().filename().string().starts_with("events.out.tfevents."));
}

std::string failure(const fs::path& folder) {
  try {
    const EventFile events(folder);
  } catch (const ConfigError& error) {
    return error.what_without_backtrace();
  }
  return "no failure";
}

TEST_F(EventFileTest, NamesTheFolderThatCannotBeMade) {
  const test::ScratchDir scratch;
  std::ofstream(scratch.path() / "file") << "x";
  EXPECT_EQ(failure(scratch.path() / "file" / "tensorboard"),
            (scratch.path() / "file" / "tensorboard").string() +
                " cannot be made: Not a directory");
}

}  // namespace
}  // namespace shardopt::train
