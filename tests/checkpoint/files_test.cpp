#include "files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/safetensors_bytes.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using test::failure_of;
using test::FileCall;

class FilesTest : public testing::Test {
 protected:
  fs::path path(const std::string& name) const { return scratch_.path() / name; }
  Handle root() { return open_root(files_, scratch_.path().string()); }
  std::string at(const std::string& name) const { return path(name).string(); }

  test::FaultFileSystem files_;

 private:
  const test::ScratchDir scratch_;
};

void replace(const Handle& root, const std::string& bytes) {
  replace_file(root, "x", "x.tmp", bytes);
}

TEST_F(FilesTest, ReadsBackWhatWasWrittenAtItsPlace) {
  const Handle folder = root();
  const Handle file = create_file(folder, "x");
  write_all(file, "world", 5, 6);
  write_all(file, "hello ", 6, 0);
  std::array<char, 5> text{};

  read_all(open_file(folder, "x"), text.data(), text.size(), 6);

  EXPECT_EQ(std::string(text.data(), text.size()), "world");
  EXPECT_EQ(read_small_file(folder, "x", 11), "hello world");
  EXPECT_EQ(size_of(file), 11);
  EXPECT_EQ(size_of(folder, "x"), 11);
}

TEST_F(FilesTest, GoesOnAfterShortReadsAndWrites) {
  files_.set_fault({.is_short = true, .goes_on = true});
  const std::string bytes(100'001, 'b');
  replace(root(), bytes);

  EXPECT_EQ(read_small_file(root(), "x", 1 << 20), bytes);
  EXPECT_GT(files_.calls(FileCall::kPwrite), 10);
  EXPECT_GT(files_.calls(FileCall::kPread), 10);
}

// A sync that was interrupted is not of this kind: see below.
TEST_F(FilesTest, TriesAgainWhatASignalHasInterrupted) {
  const auto use = [&] {
    const Handle folder = root();
    make_folder(folder, "sub");
    replace(folder, "bytes");
    remove_file(folder, "x");
    remove_folder(folder, "sub");
    replace(folder, "bytes");
    const bool is_there = exists(folder, "x") && list(folder).size() == 1;
    EXPECT_TRUE(is_there && read_small_file(folder, "x", 9) == "bytes");
    remove_file(folder, "x");
  };
  for (const FileCall kind :
       {FileCall::kOpenRoot, FileCall::kOpen, FileCall::kClose, FileCall::kPread,
        FileCall::kPwrite, FileCall::kFstat, FileCall::kFstatat, FileCall::kMkdir,
        FileCall::kRename, FileCall::kUnlink, FileCall::kRmdir, FileCall::kList}) {
    SCOPED_TRACE(static_cast<int>(kind));
    files_.set_fault({.kind = kind, .error = EINTR});
    EXPECT_EQ(failure_of(use), "no failure");
    EXPECT_TRUE(files_.has_failed());
  }
}

TEST_F(FilesTest, NeverSyncsAgainWhatFailedToSync) {
  const Handle folder = root();
  for (const int error : {EIO, EINTR}) {
    const Handle file = create_file(folder, "file" + std::to_string(error));
    files_.set_fault({.kind = FileCall::kFsync, .error = error});
    EXPECT_TRUE(failure_of([&] { sync(file); }).starts_with("storage: "));
    EXPECT_EQ(files_.calls(FileCall::kFsync), 1);
  }
}

// After a failure of any call: the old content under the name, or the new one if only
// the folder's sync failed, and no other file.
TEST_F(FilesTest, ReplacesAFileWholeOrNotAtAllWhicheverCallFails) {
  const Handle folder = root();
  replace(folder, "old");
  bool has_failed = true;
  for (int64_t call = 1; has_failed; ++call) {
    SCOPED_TRACE(call);
    files_.set_fault({.call = call, .error = ENOSPC});
    const std::string failure = failure_of([&] { replace(folder, "new"); });
    has_failed = files_.has_failed();
    files_.set_fault({});
    EXPECT_EQ(failure == "no failure", !has_failed);
    if (has_failed) {
      EXPECT_TRUE(failure.ends_with("No space left on device")) << failure;
    }
    const bool is_last_sync = failure.find(at("x")) == std::string::npos;
    EXPECT_EQ(read_small_file(folder, "x", 9), is_last_sync ? "new" : "old") << failure;
    EXPECT_EQ(list(folder), std::vector<std::string>{"x"});
  }
}

TEST_F(FilesTest, SaysWhatIsMissing) {
  const Handle folder = root();
  const std::string end = ": No such file or directory";
  EXPECT_EQ(failure_of([&] { (void)open_root(files_, at("no")); }),
            "incomplete: " + at("no") + ": cannot open the folder" + end);
  EXPECT_EQ(failure_of([&] { (void)open_folder(folder, "no"); }),
            "incomplete: " + at("no") + ": cannot open the folder" + end);
  EXPECT_EQ(failure_of([&] { (void)open_file(folder, "no"); }),
            "incomplete: " + at("no") + ": cannot open it" + end);
  EXPECT_EQ(failure_of([&] { (void)size_of(folder, "no"); }),
            "incomplete: " + at("no") + ": cannot find it" + end);
  EXPECT_FALSE(exists(folder, "no"));
  EXPECT_EQ(failure_of([&] { remove_file(folder, "no"); }), "no failure");
  EXPECT_EQ(failure_of([&] { remove_folder(folder, "no"); }), "no failure");
}

// A pipe has no writer here: opening it as usual would wait for ever.
TEST_F(FilesTest, OpensNothingButRegularFiles) {
  test::write_bytes(path("file"), "x");
  fs::create_directory(path("folder"));
  fs::create_symlink("file", path("link"));
  fs::create_symlink("nowhere", path("dangling"));
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  fs::create_symlink("/dev/zero", path("zero"));
  const Handle root_folder = root();
  for (const char* name : {"folder", "link", "dangling", "pipe", "zero"}) {
    SCOPED_TRACE(name);
    const std::string start = "unsafe path: " + at(name) + ": ";
    EXPECT_TRUE(
        failure_of([&] { (void)open_file(root_folder, name); }).starts_with(start));
    EXPECT_TRUE(
        failure_of([&] { (void)size_of(root_folder, name); }).starts_with(start));
  }
  const Handle devices = open_root(files_, "/dev");
  EXPECT_EQ(failure_of([&] { (void)open_file(devices, "zero"); }),
            "unsafe path: /dev/zero: it is no regular file");
}

TEST_F(FilesTest, FollowsALinkToTheRootButToNoFolderBelow) {
  fs::create_directory(path("folder"));
  test::write_bytes(path("file"), "x");
  fs::create_directory_symlink("folder", path("link"));
  EXPECT_EQ(failure_of([&] { (void)open_root(files_, at("link")); }), "no failure");
  for (const char* name : {"link", "file"}) {
    EXPECT_TRUE(failure_of([&] {
                  (void)open_folder(root(), name);
                }).starts_with("unsafe path: " + at(name)));
  }
  EXPECT_TRUE(failure_of([&] {
                (void)open_root(files_, at("file"));
              }).starts_with("unsafe path: "));
}

TEST_F(FilesTest, CreatesNoFileThatIsThere) {
  test::write_bytes(path("x"), "old");
  fs::create_symlink("new", path("link"));
  for (const char* name : {"x", "link"}) {
    EXPECT_EQ(failure_of([&] { (void)create_file(root(), name); }),
              "storage: " + at(name) + ": cannot create it: File exists");
  }
  EXPECT_FALSE(fs::exists(path("new")));
}

TEST_F(FilesTest, MakesFilesAndFoldersWithTheModesOfTheUmask) {
  const mode_t before = ::umask(027);
  make_folder(root(), "folder");
  replace(root(), "bytes");
  ::umask(before);
  EXPECT_EQ(fs::status(path("folder")).permissions(), fs::perms(0750));
  EXPECT_EQ(fs::status(path("x")).permissions(), fs::perms(0640));
  EXPECT_EQ(failure_of([&] { make_folder(root(), "folder"); }), "no failure");
}

TEST_F(FilesTest, RefusesAFileThatIsTooLongOrEndsTooEarly) {
  test::write_bytes(path("x"), "12345");
  EXPECT_EQ(failure_of([&] { (void)read_small_file(root(), "x", 4); }),
            "corrupt: " + at("x") + ": it has 5 bytes; allowed: 4");
  std::array<char, 9> text{};
  const Handle file = open_file(root(), "x");
  EXPECT_EQ(failure_of([&] { read_all(file, text.data(), 4, 3); }),
            "corrupt: " + at("x") + ": it ends at byte 5, 2 bytes too early");
}

TEST_F(FilesTest, TellsTheErrorOfAClose) {
  Handle file = create_file(root(), "x");
  files_.set_fault({.kind = FileCall::kClose, .error = EDQUOT});
  EXPECT_EQ(failure_of([&] { file.close(); }),
            "storage: " + at("x") + ": cannot close it: Disk quota exceeded");
  EXPECT_EQ(file.descriptor(), -1);
}

TEST_F(FilesTest, SortsFaultsByTheSystemsErrors) {
  for (const auto& [error, fault] :
       {std::pair(ENOENT, "incomplete"), std::pair(ELOOP, "unsafe path"),
        std::pair(ENOTDIR, "unsafe path"), std::pair(EISDIR, "unsafe path"),
        std::pair(ENXIO, "unsafe path"), std::pair(ENOSPC, "storage"),
        std::pair(EDQUOT, "storage"), std::pair(EIO, "storage"),
        std::pair(EACCES, "storage"), std::pair(EROFS, "storage"),
        std::pair(EMFILE, "storage"), std::pair(EFBIG, "storage")}) {
    EXPECT_EQ(failure_of([&] { fail_storage("root/x", "cannot do it", error); }),
              c10::str(fault, ": root/x: cannot do it: ", std::strerror(error)));
  }
}

}  // namespace
}  // namespace shardopt::checkpoint
