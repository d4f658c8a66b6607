#include "support/fault_file_system.h"

#include <fcntl.h>
#include <signal.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "checkpoint/safetensors_bytes.h"
#include "support/scratch_dir.h"

namespace shardopt::test {
namespace {

namespace fs = std::filesystem;

class FaultFileSystemTest : public testing::Test {
 protected:
  int open_root() { return files_.open_root(scratch_.path().string()); }
  fs::path path(const std::string& name) const { return scratch_.path() / name; }

  FaultFileSystem files_;

 private:
  const ScratchDir scratch_;
};

TEST_F(FaultFileSystemTest, FailsTheCallOfThatNumberAlone) {
  const int root = open_root();
  files_.set_fault({.call = 2, .error = ENOSPC});
  EXPECT_EQ(files_.mkdir(root, "a", 0777), 0);
  EXPECT_EQ(files_.mkdir(root, "b", 0777), -1);
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_TRUE(files_.has_failed());
  EXPECT_EQ(files_.mkdir(root, "c", 0777), 0);
  EXPECT_EQ(files_.calls(), 3);
  EXPECT_TRUE(fs::exists(path("a")) && !fs::exists(path("b")) && fs::exists(path("c")));
  files_.close(root);
}

TEST_F(FaultFileSystemTest, CountsOneKindAloneAndGoesOnWhereAsked) {
  const int root = open_root();
  files_.set_fault(
      {.call = 2, .kind = FileCall::kMkdir, .error = EIO, .goes_on = true});
  EXPECT_EQ(files_.fsync(root), 0);
  EXPECT_EQ(files_.mkdir(root, "a", 0777), 0);
  EXPECT_EQ(files_.fsync(root), 0);
  EXPECT_FALSE(files_.has_failed());
  EXPECT_EQ(files_.mkdir(root, "b", 0777), -1);
  EXPECT_EQ(files_.mkdir(root, "b", 0777), -1);
  EXPECT_EQ(files_.calls(FileCall::kMkdir), 3);
  files_.set_fault({});
  EXPECT_EQ(files_.mkdir(root, "b", 0777), 0);
  files_.close(root);
}

TEST_F(FaultFileSystemTest, WritesAndReadsAPartOnly) {
  const int root = open_root();
  const int file = files_.open(root, "x", O_RDWR | O_CREAT, 0666);
  files_.set_fault({.is_short = true, .goes_on = true});
  const std::string sectors(5 * 4096, 's');
  EXPECT_EQ(files_.pwrite(file, "123456", 6, 0), 3);
  EXPECT_EQ(files_.pwrite(file, sectors.data(), sectors.size(), 0), 2 * 4096);
  EXPECT_EQ(files_.pwrite(file, "1", 1, 0), 1);
  std::string text(6, '\0');
  EXPECT_EQ(files_.pread(file, text.data(), text.size(), 0), 3);
  files_.close(file);
  files_.close(root);
}

TEST_F(FaultFileSystemTest, ClosesEvenWhereTheCloseFails) {
  const int root = open_root();
  files_.set_fault({.error = EIO});
  EXPECT_EQ(files_.close(root), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(::fcntl(root, F_GETFD), -1);
}

TEST_F(FaultFileSystemTest, KillsItsProcessInPlaceOfACall) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const int root = open_root();
  const auto make_three = [&] {
    files_.kill_at(3);
    for (const char* name : {"a", "b", "c"}) files_.mkdir(root, name, 0777);
  };
  EXPECT_EXIT(make_three(), testing::KilledBySignal(SIGKILL), "");
  files_.close(root);
}

}  // namespace
}  // namespace shardopt::test
