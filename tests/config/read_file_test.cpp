// Files that are no configuration.
#include <sys/stat.h>

#include <cstdint>

#include "config_test_support.h"

namespace shardopt::config {
namespace {

using test::config_error;
using test::ConfigFolder;

std::string error_of(const std::filesystem::path& path) {
  return config_error([&] { (void)load_config({.file = path}); });
}

TEST(ReadFileTest, NamesAFileThatIsNotThere) {
  EXPECT_EQ(error_of("no/such.txtpb"),
            "no/such.txtpb: cannot be opened: No such file or directory");
}

TEST(ReadFileTest, RefusesAFolder) {
  const ConfigFolder folder;

  EXPECT_EQ(error_of(folder.path()),
            folder.path().string() + ": is a folder; a file is needed");
}

TEST(ReadFileTest, NamesTheReasonWhyAFileCannotBeRead) {
  // Its first page is never mapped, so that root cannot read it either.
  EXPECT_EQ(error_of("/proc/self/mem"),
            "/proc/self/mem: cannot be read: Input/output error");
}

TEST(ReadFileTest, RefusesAPipeInsteadOfWaitingForItsWriter) {
  const ConfigFolder folder;
  const std::filesystem::path pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);

  EXPECT_EQ(folder.without_folder(error_of(pipe)), "pipe: is no regular file");
}

// Both have no blocks on the disk; to read the second would outlast any test.
TEST(ReadFileTest, RefusesLargeFilesWithoutReadingThem) {
  const ConfigFolder folder;
  const std::filesystem::path path = folder.write("big.txtpb", "");

  std::filesystem::resize_file(path, 100'000'000);
  EXPECT_EQ(folder.without_folder(error_of(path)),
            "big.txtpb: has 100000000 bytes; allowed: up to 4194304");

  std::filesystem::resize_file(path, std::uintmax_t{1} << 40);
  EXPECT_EQ(folder.without_folder(error_of(path)),
            "big.txtpb: has 1099511627776 bytes; allowed: up to 4194304");
}

TEST(ReadFileTest, ReadsAFileOfExactlyTheLimit) {
  const ConfigFolder folder;
  const std::string fields = "model { layers: 2 }";
  const std::string padding(kMaxFileBytes - fields.size(), ' ');

  EXPECT_EQ(folder.load(fields + padding).model.layers, 2);
  EXPECT_EQ(folder.error(fields + padding + " "),
            "my.txtpb: has 4194305 bytes; allowed: up to 4194304");
}

TEST(ReadFileTest, NamesTheLineOfABytesThatIsNoUtf8) {
  const ConfigFolder folder;
  const auto line_2 = [&](const std::string& bytes) {
    return folder.error("model { }\n# " + bytes + "\n");
  };
  const std::string refused = "my.txtpb:2: byte 12 is not UTF-8 text";

  EXPECT_EQ(line_2("\xFF"), refused);
  EXPECT_EQ(line_2("\x80"), refused);              // Continuation without a lead.
  EXPECT_EQ(line_2("\xC3"), refused);              // Lead without continuation.
  EXPECT_EQ(line_2("\xC0\xAF"), refused);          // Overlong '/'.
  EXPECT_EQ(line_2("\xE0\x80\xAF"), refused);      // Overlong in three bytes.
  EXPECT_EQ(line_2("\xED\xA0\x80"), refused);      // A surrogate.
  EXPECT_EQ(line_2("\xF4\x90\x80\x80"), refused);  // Beyond U+10FFFF.
  EXPECT_EQ(line_2("\xF0\x9F\x98"), refused);      // Cut short.
  EXPECT_EQ(line_2("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80"), "(no error)");
}

}  // namespace
}  // namespace shardopt::config
