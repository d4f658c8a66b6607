#include "shardopt/checkpoint/root.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/safetensors_bytes.h"
#include "checkpoint/small_manifest.h"
#include "frame.h"
#include "manifest_codec.h"
#include "paths.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using test::failure_of;

std::string bytes_of(const Manifest& manifest) {
  return add_frame(encode_manifest(manifest));
}

std::string parse_failure(const std::string& bytes) {
  return failure_of([&] { static_cast<void>(parse_manifest(bytes, "MANIFEST")); });
}

class RootTest : public testing::Test {
 protected:
  fs::path root() const { return scratch_.path(); }
  fs::path step(int64_t number = 1000) const {
    return root() / step_folder_name(number);
  }
  fs::path attempt() const {
    return step() / attempt_folder_name(test::small_manifest().attempt);
  }
  fs::path data() const { return attempt() / "rank-00001.safetensors"; }

  /// The folder of a step; the data files are zeros of the right length.
  fs::path write_step(int64_t number = 1000) const {
    Manifest manifest = test::small_manifest();
    manifest.step = number;
    const fs::path folder = step(number) / attempt_folder_name(manifest.attempt);
    fs::create_directories(folder);
    for (const DataFile& file : manifest.files) {
      test::write_bytes(folder / file.name,
                        std::string(static_cast<std::size_t>(file.bytes), '\0'));
    }
    test::write_bytes(step(number) / kManifestName, bytes_of(manifest));
    return step(number);
  }
  std::string open_failure(const fs::path& folder) const {
    return failure_of(
        [&] { static_cast<void>(open_step(folder, posix_file_system())); });
  }
  std::string open_failure() const { return open_failure(step()); }

 private:
  const test::ScratchDir scratch_;
};

// -- The bytes of MANIFEST

TEST_F(RootTest, FindsEveryFlippedBitOfAManifest) {
  const std::string bytes = bytes_of(test::small_manifest());
  ASSERT_EQ(parse_failure(bytes), "no failure");
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_TRUE(parse_failure(damaged).starts_with("corrupt: MANIFEST: ")) << bit;
  }
}

TEST_F(RootTest, FindsEveryTruncationAndExtensionOfAManifest) {
  const std::string bytes = bytes_of(test::small_manifest());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(parse_failure(bytes.substr(0, size)).starts_with("corrupt: ")) << size;
  }
  EXPECT_TRUE(parse_failure(bytes + '\0').starts_with("corrupt: "));
}

TEST_F(RootTest, NamesTheManifestAndTheCause) {
  Manifest manifest = test::small_manifest();
  manifest.block_bytes = 3;
  EXPECT_TRUE(parse_failure(bytes_of(manifest))
                  .starts_with("corrupt: MANIFEST: its blocks have 3 bytes"));
  EXPECT_EQ(parse_failure(add_frame("?")),
            "corrupt: MANIFEST: it is not the Protobuf message that it should be");
  manifest = test::small_manifest();
  manifest.required_features = {"future"};
  EXPECT_TRUE(parse_failure(bytes_of(manifest)).starts_with("unsupported: MANIFEST: "));
}

// -- One step

TEST_F(RootTest, OpensAStepUnderAnyNameAndThroughALink) {
  const fs::path folder = write_step();
  const fs::path copy = root() / "copy of it";
  fs::copy(folder, copy, fs::copy_options::recursive);
  fs::create_directory_symlink(copy, root() / "link");
  for (const fs::path& path : {folder, copy, root() / "link"}) {
    const ManifestFile file = open_step(path, posix_file_system());
    EXPECT_EQ(file.manifest.step, 1000);
    EXPECT_EQ(file.bytes, bytes_of(test::small_manifest()));
  }
}

TEST_F(RootTest, NeedsNoAttemptFolderWhereThereAreNoFiles) {
  Manifest manifest{.attempt = std::string(32, '0'), .block_bytes = 65536};
  fs::create_directories(step());
  test::write_bytes(step() / kManifestName, bytes_of(manifest));
  EXPECT_EQ(open_failure(), "no failure");
}

TEST_F(RootTest, NamesWhatIsMissingOfAStep) {
  const std::string end = ": No such file or directory";
  EXPECT_EQ(open_failure(),
            "incomplete: " + step().string() + ": cannot open the folder" + end);
  write_step();
  fs::remove(data());
  EXPECT_EQ(open_failure(),
            "incomplete: " + data().string() + ": cannot find it" + end);
  fs::remove_all(attempt());
  EXPECT_EQ(open_failure(),
            "incomplete: " + attempt().string() + ": cannot open the folder" + end);
  fs::remove(step() / kManifestName);
  EXPECT_EQ(open_failure(), "incomplete: " + (step() / kManifestName).string() +
                                ": cannot open it" + end);
}

TEST_F(RootTest, RefusesDataFilesOfAnyOtherLength) {
  write_step();
  for (const std::uintmax_t bytes : {0, 1, 4095, 4127, 4129, 8192}) {
    fs::resize_file(data(), bytes);
    EXPECT_EQ(open_failure(), c10::str("corrupt: ", data().string(), ": it has ", bytes,
                                       " bytes, MANIFEST says 4128"));
  }
}

// The files of another save of the same step lie in another folder.
TEST_F(RootTest, FindsTheFilesOfItsOwnAttemptAlone) {
  write_step();
  fs::rename(attempt(), step() / attempt_folder_name(std::string(32, 'f')));
  EXPECT_TRUE(open_failure().starts_with("incomplete: " + attempt().string()));
}

using Replace = std::function<void(const fs::path&)>;

const std::vector<std::pair<const char*, Replace>> kNoRegularFiles = {
    {"link", [](const fs::path& path) { fs::create_symlink("/etc/passwd", path); }},
    {"link to nothing", [](const fs::path& path) { fs::create_symlink("no", path); }},
    {"pipe", [](const fs::path& path) { ::mkfifo(path.c_str(), 0600); }},
    {"device", [](const fs::path& path) { fs::create_symlink("/dev/zero", path); }},
    {"folder", [](const fs::path& path) { fs::create_directory(path); }}};

TEST_F(RootTest, OpensNothingThatIsNoRegularFile) {
  for (const auto& [what, replace] : kNoRegularFiles) {
    SCOPED_TRACE(what);
    for (const bool is_manifest : {false, true}) {
      write_step();
      const fs::path path = is_manifest ? step() / kManifestName : data();
      fs::remove(path);
      replace(path);
      EXPECT_TRUE(open_failure().starts_with("unsafe path: " + path.string()))
          << open_failure();
      fs::remove_all(step());
    }
  }
}

TEST_F(RootTest, FollowsNoLinkToAnAttempt) {
  write_step();
  fs::rename(attempt(), root() / "elsewhere");
  fs::create_directory_symlink(root() / "elsewhere", attempt());
  EXPECT_TRUE(open_failure().starts_with("unsafe path: " + attempt().string()));
}

TEST_F(RootTest, TakesAHardLinkForAFile) {
  write_step();
  fs::rename(data(), root() / "original");
  fs::create_hard_link(root() / "original", data());
  EXPECT_EQ(open_failure(), "no failure");
}

// -- All steps

TEST_F(RootTest, ListsStepsByTheirNumbers) {
  for (const int64_t number : {1000, 0, 20, 3, 1'000'000}) write_step(number);
  std::vector<int64_t> found;
  for (const StepFolder& folder : list_steps(root(), posix_file_system())) {
    EXPECT_EQ(folder.problem, "");
    EXPECT_TRUE(folder.is_committed && !folder.is_pinned);
    EXPECT_EQ(folder.attempt, test::small_manifest().attempt);
    EXPECT_EQ(folder.path, step(folder.step));
    found.push_back(folder.step);
  }
  EXPECT_EQ(found, (std::vector<int64_t>{0, 3, 20, 1000, 1'000'000}));
}

TEST_F(RootTest, PassesOverWhatHasNoStepsName) {
  write_step();
  fs::create_directory(root() / "step_7");
  fs::create_directory(root() / "logs");
  test::write_bytes(root() / kLatestName, "?");
  EXPECT_EQ(list_steps(root(), posix_file_system()).size(), 1u);
}

TEST_F(RootTest, SaysWhatIsWrongWithEachStepAndGoesOn) {
  fs::create_directory(step(1));
  test::write_bytes(step(2), "a file");
  ASSERT_EQ(::mkfifo(step(3).c_str(), 0600), 0);
  fs::create_directory_symlink(write_step(1000), step(4));
  fs::rename(write_step(5), step(6));
  test::write_bytes(write_step(7) / kManifestName, "damaged");
  test::write_bytes(write_step(8) / kPinName, "");

  const auto steps = list_steps(root(), posix_file_system());

  ASSERT_EQ(steps.size(), 8u);
  EXPECT_EQ(steps[0].problem, step(1).string() + ": it has no MANIFEST");
  for (const std::size_t i : {1, 2, 3}) {
    EXPECT_TRUE(steps[i].problem.starts_with(steps[i].path.string() +
                                             ": cannot open the folder: "))
        << steps[i].problem;
  }
  EXPECT_EQ(steps[4].problem, step(6).string() + ": its MANIFEST is of step 5");
  EXPECT_EQ(steps[5].problem,
            (step(7) / kManifestName).string() + ": it has 7 bytes; a frame needs 32");
  EXPECT_TRUE(steps[6].is_pinned && steps[6].problem.empty());
  EXPECT_EQ(steps[7].problem, "");
}

// Of a listing itself all is lost; of a step, that step.
TEST_F(RootTest, SurvivesAnErrorOfAnyCallOfAListing) {
  write_step(1);
  write_step(2);
  test::FaultFileSystem files;
  bool has_failed = true;
  int listings = 0;
  for (int64_t call = 1; has_failed; ++call) {
    SCOPED_TRACE(call);
    files.set_fault({.call = call, .error = EIO});
    std::vector<StepFolder> steps;
    const std::string failure = failure_of([&] { steps = list_steps(root(), files); });
    has_failed = files.has_failed();
    if (failure != "no failure") {
      EXPECT_TRUE(failure.starts_with("storage: ")) << failure;
      continue;
    }
    ++listings;
    ASSERT_EQ(steps.size(), 2u);
    EXPECT_TRUE(steps[0].problem.empty() || steps[1].problem.empty());
  }
  EXPECT_GT(listings, 10);
}

TEST_F(RootTest, NamesARootThatIsNotThere) {
  EXPECT_EQ(failure_of([&] {
              static_cast<void>(list_steps(root() / "no", posix_file_system()));
            }),
            "incomplete: " + (root() / "no").string() +
                ": cannot open the folder: No such file or directory");
}

}  // namespace
}  // namespace shardopt::checkpoint
