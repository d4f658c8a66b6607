#include "support/disk_journal.h"

#include <fcntl.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "checkpoint/safetensors_bytes.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"

namespace shardopt::test {
namespace {

namespace fs = std::filesystem;

bool keep_none(int64_t) { return false; }
bool keep_all(int64_t) { return true; }

class DiskJournalTest : public testing::Test {
 protected:
  DiskJournalTest() {
    fs::create_directory(disk());
    files_.record(disk());
    root_ = files_.open_root(disk().string());
  }
  ~DiskJournalTest() override { files_.close(root_); }

  fs::path disk() const { return scratch_.path() / "disk"; }

  void write(const std::string& name, const std::string& bytes) {
    file_ = files_.open(root_, name, O_WRONLY | O_CREAT, 0666);
    ASSERT_GE(file_, 0);
    ASSERT_EQ(files_.pwrite(file_, bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }
  void write_synced(const std::string& name, const std::string& bytes) {
    write(name, bytes);
    files_.fsync(file_);
    files_.close(file_);
    files_.fsync(root_);
  }

  /// What a power cut now leaves, as "name=bytes" and "folder/".
  std::set<std::string> after_cut(const DiskJournal::Keep& keep) {
    return after_cut(files_.journal().size(), keep);
  }
  std::set<std::string> after_cut(int64_t entries, const DiskJournal::Keep& keep) {
    const fs::path left = scratch_.path() / "left";
    fs::remove_all(left);
    files_.journal().materialise(entries, keep, left);
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(left)) {
      const std::string name = fs::relative(entry.path(), left);
      found.insert(entry.is_directory() ? name + "/"
                                        : name + "=" + read_bytes(entry.path()));
    }
    return found;
  }

  using Found = std::set<std::string>;
  FaultFileSystem files_;
  int root_ = -1;
  int file_ = -1;

 private:
  const ScratchDir scratch_;
};

TEST_F(DiskJournalTest, LosesNamesAndBytesThatWereNotSynced) {
  write("x", "bytes");
  EXPECT_EQ(after_cut(keep_none), Found{});
  EXPECT_EQ(after_cut(keep_all), Found{"x=bytes"});
  files_.fsync(file_);
  EXPECT_EQ(after_cut(keep_none), Found{}) << "its name was not synced";
  files_.fsync(root_);
  EXPECT_EQ(after_cut(keep_none), Found{"x=bytes"});
  files_.close(file_);
}

TEST_F(DiskJournalTest, KeepsANameWithoutBytesIfOnlyTheFolderWasSynced) {
  write("x", "bytes");
  files_.fsync(root_);
  EXPECT_EQ(after_cut(keep_none), Found{"x="});
  files_.close(file_);
}

TEST_F(DiskJournalTest, KeepsTheLaterWriteWithoutTheEarlierOne) {
  write("x", "abcd");                // entries 0 (name) and 1
  files_.pwrite(file_, "EF", 2, 4);  // entry 2
  files_.fsync(root_);
  const auto keep_second = [](int64_t entry) { return entry == 2; };
  EXPECT_EQ(after_cut(keep_second), Found{"x=" + std::string(4, '\0') + "EF"});
  EXPECT_EQ(after_cut(2, keep_all), Found{"x=abcd"});
  files_.close(file_);
}

TEST_F(DiskJournalTest, NeverMakesSafeWhatAFailedSyncHasLost) {
  write("x", "bytes");
  files_.fsync(root_);
  files_.set_fault({.error = EIO});
  EXPECT_EQ(files_.fsync(file_), -1);
  EXPECT_EQ(files_.fsync(file_), 0);
  EXPECT_EQ(after_cut(keep_none), Found{"x="});
  EXPECT_EQ(after_cut(keep_all), Found{"x=bytes"});
  files_.close(file_);
}

TEST_F(DiskJournalTest, RenamesOverAFileAsOneChange) {
  write_synced("x", "old");
  write_synced("x.tmp", "new");
  files_.rename(root_, "x.tmp", "x");
  EXPECT_EQ(after_cut(keep_none), (Found{"x=old", "x.tmp=new"}));
  EXPECT_EQ(after_cut(keep_all), Found{"x=new"});
  files_.fsync(root_);
  EXPECT_EQ(after_cut(keep_none), Found{"x=new"});
}

TEST_F(DiskJournalTest, RemovesOnlyWhatItsFolderWasSyncedAfter) {
  write_synced("x", "bytes");
  files_.mkdir(root_, "folder", 0777);
  files_.fsync(root_);
  files_.unlink(root_, "x");
  files_.rmdir(root_, "folder");
  EXPECT_EQ(after_cut(keep_none), (Found{"folder/", "x=bytes"}));
  EXPECT_EQ(after_cut(keep_all), Found{});
  files_.fsync(root_);
  EXPECT_EQ(after_cut(keep_none), Found{});
}

TEST_F(DiskJournalTest, LosesAFolderWithAllThatIsInIt) {
  files_.mkdir(root_, "folder", 0777);
  const int folder = files_.open(root_, "folder", O_RDONLY | O_DIRECTORY, 0);
  files_.close(files_.open(folder, "x", O_WRONLY | O_CREAT, 0666));
  files_.fsync(folder);
  files_.close(folder);
  EXPECT_EQ(after_cut(keep_none), Found{});
  files_.fsync(root_);
  EXPECT_EQ(after_cut(keep_none), (Found{"folder/", "folder/x="}));
}

TEST_F(DiskJournalTest, FollowsSizesThatWereSet) {
  write("x", "bytes");
  files_.fallocate(file_, 7);
  files_.ftruncate(file_, 2);
  files_.fsync(root_);
  EXPECT_EQ(after_cut(3, keep_all), Found{"x=bytes" + std::string(2, '\0')});
  EXPECT_EQ(after_cut(keep_all), Found{"x=by"});
  files_.close(file_);
}

TEST_F(DiskJournalTest, TakesForSafeWhatWasThereBefore) {
  write("x", "bytes");
  files_.close(file_);
  files_.mkdir(root_, "folder", 0777);
  files_.record(disk());
  const int folder = files_.open_root((disk() / "folder").string());
  files_.close(files_.open(folder, "y", O_WRONLY | O_CREAT, 0666));
  EXPECT_EQ(files_.journal().describe(0), "create folder/y");
  EXPECT_EQ(after_cut(keep_none), (Found{"folder/", "x=bytes"}));
  files_.close(folder);
}

TEST_F(DiskJournalTest, DescribesItsEntries) {
  write("x", "bytes");
  files_.fsync(file_);
  files_.rename(root_, "x", "y");
  files_.unlink(root_, "y");
  files_.close(file_);
  const DiskJournal& journal = files_.journal();
  ASSERT_EQ(journal.size(), 5);
  EXPECT_EQ(journal.describe(0), "create ./x");
  EXPECT_EQ(journal.describe(1), "write x: 5 bytes at 0");
  EXPECT_EQ(journal.describe(2), "sync x");
  EXPECT_EQ(journal.describe(3), "rename .: x to y");
  EXPECT_EQ(journal.describe(4), "remove ./y");
}

}  // namespace
}  // namespace shardopt::test
