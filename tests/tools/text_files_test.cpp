#include "text_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "shardopt/core/error.h"
#include "support/scratch_dir.h"

namespace shardopt::train {
namespace {

namespace fs = std::filesystem;

class TextFilesTest : public testing::Test {
 protected:
  const fs::path& root() const { return scratch_.path(); }

  void write(const fs::path& name, const std::string& text) const {
    fs::create_directories((root() / name).parent_path());
    std::ofstream(root() / name, std::ios::binary) << text;
  }
  static std::string text_of(const fs::path& path) {
    const auto bytes = read_text(path);
    return {bytes.begin(), bytes.end()};
  }
  static std::string failure(const fs::path& path) {
    try {
      static_cast<void>(read_text(path));
    } catch (const ConfigError& error) {
      return error.what_without_backtrace();
    }
    return "no failure";
  }
  static std::string message(const fs::path& path, const std::string& cause) {
    return "data.path: " + path.string() + ": " + cause;
  }

 private:
  const test::ScratchDir scratch_;
};

// An ordinary user's rights for a while, since root may read everything.
class WithoutRoot {
 public:
  WithoutRoot() {
    if (geteuid() == 0) is_root_ = seteuid(65534) == 0;
  }
  ~WithoutRoot() {
    if (is_root_ && seteuid(0) != 0) std::abort();
  }

 private:
  bool is_root_ = false;
};

TEST_F(TextFilesTest, ReadsAFileByteForByte) {
  const std::string text("a\0\xff\r\nb", 6);
  write("text", text);
  EXPECT_EQ(text_of(root() / "text"), text);
}

TEST_F(TextFilesTest, JoinsAFoldersFilesSortedByPath) {
  write("b.txt", "2");
  write("a/z.txt", "1");
  write("a/deep/er.txt", "0");
  write("c/x", "3");
  write("empty.txt", "");
  EXPECT_EQ(text_of(root()), "0123");
}

TEST_F(TextFilesTest, LeavesOutHiddenFilesAndFoldersOnly) {
  write(".git/config", "no");
  write("sub/.cache", "no");
  write("sub/name.with.dots", "yes");
  EXPECT_EQ(text_of(root()), "yes");
}

TEST_F(TextFilesTest, FollowsLinksToFiles) {
  write("real", "text");
  fs::create_directory(root() / "folder");
  fs::create_symlink(root() / "real", root() / "folder" / "link");
  EXPECT_EQ(text_of(root() / "folder"), "text");
}

TEST_F(TextFilesTest, NamesALinkThatLeadsNowhere) {
  write("real", "text");
  fs::create_symlink(root() / "absent", root() / "link");
  EXPECT_EQ(failure(root()), message(root() / "link", "leads nowhere"));
}

TEST_F(TextFilesTest, NamesAPathThatIsMissing) {
  EXPECT_EQ(failure(root() / "absent"),
            message(root() / "absent", "No such file or directory"));
  EXPECT_EQ(failure(""),
            message("", "is not set; it names a file or a folder of text"));
}

TEST_F(TextFilesTest, RefusesWhatHoldsNoByte) {
  EXPECT_EQ(failure(root()), message(root(), "holds no file that is not hidden"));
  write("a", "");
  EXPECT_EQ(failure(root() / "a"), message(root() / "a", "is empty"));
  EXPECT_EQ(failure(root()), message(root(), "is empty"));
}

TEST_F(TextFilesTest, RefusesAPipeWithoutWaitingForIt) {
  ASSERT_EQ(mkfifo((root() / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(failure(root() / "pipe"),
            message(root() / "pipe", "is neither a file nor a folder"));
}

TEST_F(TextFilesTest, NamesAFileThatMayNotBeRead) {
  write("secret", "text");
  fs::permissions(root(), fs::perms::all);
  fs::permissions(root() / "secret", fs::perms::none);
  const WithoutRoot rights;
  EXPECT_EQ(failure(root() / "secret"),
            message(root() / "secret", "Permission denied"));
  EXPECT_EQ(failure(root()), message(root() / "secret", "Permission denied"));
}

TEST_F(TextFilesTest, NamesAFolderThatMayNotBeRead) {
  write("folder/text", "text");
  fs::permissions(root(), fs::perms::all);
  fs::permissions(root() / "folder", fs::perms::none);
  const WithoutRoot rights;
  EXPECT_EQ(failure(root() / "folder"),
            message(root() / "folder", "Permission denied"));
  EXPECT_TRUE(failure(root()).ends_with("Permission denied"));
}

// 2 GiB and a bit, sparse: more than one read can bring.
TEST_F(TextFilesTest, ReadsMoreThanTwoGibibytes) {
  write("large", "");
  const int64_t size_bytes = (int64_t{2} << 30) + 5;
  fs::resize_file(root() / "large", size_bytes - 1);
  std::ofstream(root() / "large", std::ios::binary | std::ios::app) << "x";

  const std::vector<uint8_t> text = read_text(root() / "large");

  ASSERT_EQ(static_cast<int64_t>(text.size()), size_bytes);
  EXPECT_EQ(text.back(), 'x');
}

}  // namespace
}  // namespace shardopt::train
