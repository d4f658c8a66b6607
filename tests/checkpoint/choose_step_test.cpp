#include "choose_step.h"

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/safetensors_bytes.h"
#include "checkpoint/small_manifest.h"
#include "frame.h"
#include "manifest_codec.h"
#include "paths.h"
#include "shardopt/checkpoint/root.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using test::failure_of;
using test::FaultFileSystem;
using test::FileCall;

using Texts = std::vector<std::string>;

class ChooseStepTest : public testing::Test {
 protected:
  fs::path root() const { return scratch_.path(); }
  fs::path folder(int64_t step) const { return root() / step_folder_name(step); }
  fs::path manifest(int64_t step) const { return folder(step) / kManifestName; }
  fs::path data(int64_t step) const {
    return folder(step) / attempt_folder_name(test::small_manifest().attempt) /
           "rank-00001.safetensors";
  }

  /// The data files are zeros of the right length: nobody reads them here.
  void write_step(int64_t step) const { write_step(folder(step), step); }
  static void write_step(const fs::path& folder, int64_t step) {
    Manifest manifest = test::small_manifest();
    manifest.step = step;
    write_step(folder, manifest);
  }
  static void write_step(const fs::path& folder, const Manifest& manifest) {
    const fs::path attempt = folder / attempt_folder_name(manifest.attempt);
    fs::create_directories(attempt);
    for (const DataFile& file : manifest.files) {
      test::write_bytes(attempt / file.name,
                        std::string(static_cast<std::size_t>(file.bytes), '\0'));
    }
    test::write_bytes(folder / kManifestName, add_frame(encode_manifest(manifest)));
  }
  void write_latest(const std::string& text) const {
    test::write_bytes(root() / kLatestName, text);
  }

  Choice choose(int max_fallback = 0, const Damaged& damaged = {}) const {
    return choose_step(root(), max_fallback, damaged, posix_file_system());
  }
  std::string failure(int max_fallback = 0, const Damaged& damaged = {}) const {
    return failure_of([&] { (void)choose(max_fallback, damaged); });
  }

  const test::ScratchDir scratch_;
};

TEST_F(ChooseStepTest, TakesTheNewestStepOfARoot) {
  for (const int64_t step : {900, 1000, 20}) write_step(step);

  const Choice choice = choose();

  EXPECT_EQ(choice.folder, folder(1000));
  EXPECT_EQ(parse_manifest(choice.manifest_bytes, "").step, 1000);
  EXPECT_TRUE(choice.is_of_root);
  EXPECT_EQ(choice.warnings, Texts{});
}

TEST_F(ChooseStepTest, TakesAStepFolderUnderAnyName) {
  write_step(root() / "best so far", 1000);

  const Choice choice = choose_step(root() / "best so far", 0, {}, posix_file_system());

  EXPECT_EQ(choice.folder, root() / "best so far");
  EXPECT_FALSE(choice.is_of_root);
}

TEST_F(ChooseStepTest, StepWithoutManifestIsNoCheckpoint) {
  write_step(20);
  write_step(1000);
  fs::rename(manifest(1000), folder(1000) / kStaleManifestName);
  fs::create_directories(folder(2000));

  const Choice choice = choose();

  EXPECT_EQ(choice.folder, folder(20));
  EXPECT_EQ(choice.warnings, Texts{});
}

TEST_F(ChooseStepTest, NamesARootThatHoldsNone) {
  const std::string name = root().string();
  EXPECT_EQ(failure(), "incomplete: " + name + ": it holds no checkpoint");

  fs::create_directories(folder(2000));
  EXPECT_EQ(failure(), "incomplete: " + name + ": it holds no checkpoint");

  const std::string absent = (root() / "absent").string();
  EXPECT_EQ(
      failure_of([&] { (void)choose_step(absent, 1, {}, posix_file_system()); }),
      "incomplete: " + absent + ": cannot open the folder: No such file or directory");
}

TEST_F(ChooseStepTest, PassesOverDamagedStepsAndTellsWhatIsLost) {
  for (const int64_t step : {20, 900, 1000}) write_step(step);
  fs::resize_file(data(1000), 17);
  fs::remove(data(900));

  const Choice choice = choose(2);

  EXPECT_EQ(choice.folder, folder(20));
  ASSERT_EQ(choice.warnings.size(), 2U);
  EXPECT_EQ(choice.warnings[0],
            "damaged: " + data(1000).string() +
                ": it has 17 bytes, MANIFEST says 4128; 980 steps lost");
  EXPECT_TRUE(choice.warnings[1].starts_with("damaged: " + data(900).string()));
  EXPECT_TRUE(choice.warnings[1].ends_with("; 880 steps lost"));
}

TEST_F(ChooseStepTest, MoreDamageThanAllowedIsTheNewestStepsError) {
  for (const int64_t step : {20, 900, 1000}) write_step(step);
  fs::remove(data(1000));
  fs::resize_file(data(900), 17);

  for (const int max_fallback : {0, 1}) {
    const std::string text = failure(max_fallback);
    EXPECT_TRUE(text.starts_with("incomplete: ")) << text;
    EXPECT_NE(text.find(data(1000).string()), std::string::npos) << text;
  }
}

TEST_F(ChooseStepTest, AllDamagedIsTheNewestStepsErrorHoweverManyAreAllowed) {
  for (const int64_t step : {900, 1000}) write_step(step);
  fs::remove(data(900));
  fs::resize_file(data(1000), 17);

  const std::string text = failure(100);

  EXPECT_TRUE(text.starts_with("corrupt: ")) << text;
  EXPECT_NE(text.find(data(1000).string()), std::string::npos) << text;
}

TEST_F(ChooseStepTest, PassesOverWhatReadingHasFoundDamaged) {
  for (const int64_t step : {900, 1000}) write_step(step);
  const Damaged damaged{{folder(1000).string(), "block 3 is wrong"}};

  EXPECT_EQ(choose(1, damaged).folder, folder(900));
  EXPECT_EQ(choose(1, damaged).warnings,
            Texts{"damaged: block 3 is wrong; 100 steps lost"});
  EXPECT_NE(failure(0, damaged).find("block 3 is wrong"), std::string::npos);
}

TEST_F(ChooseStepTest, ManifestOfAnotherStepIsDamage) {
  write_step(20);
  write_step(folder(1000), 999);

  EXPECT_EQ(choose(1).folder, folder(20));
  EXPECT_EQ(choose(1).warnings.at(0),
            "damaged: " + folder(1000).string() +
                ": its MANIFEST is of step 999; 980 steps lost");
}

TEST_F(ChooseStepTest, LinkInPlaceOfAManifestIsDamage) {
  write_step(20);
  write_step(1000);
  fs::rename(manifest(1000), root() / "elsewhere");
  fs::create_symlink(root() / "elsewhere", manifest(1000));

  EXPECT_EQ(choose(1).folder, folder(20));
  EXPECT_TRUE(failure(0).starts_with("unsafe path: ")) << failure(0);
}

// It would lose steps that are sound.
TEST_F(ChooseStepTest, NeverPassesOverANewerFormat) {
  write_step(20);
  Manifest newer = test::small_manifest();
  newer.required_features = {"zip"};
  write_step(folder(1000), newer);

  const std::string text = failure(1);

  EXPECT_TRUE(text.starts_with("unsupported: ")) << text;
  EXPECT_NE(text.find("zip"), std::string::npos) << text;
}

TEST_F(ChooseStepTest, NeverPassesOverAStepForADiskThatRefuses) {
  for (const int64_t step : {20, 1000}) write_step(step);
  FaultFileSystem files;
  files.set_fault({.kind = FileCall::kPread, .error = EIO, .goes_on = true});

  const std::string text = failure_of([&] { (void)choose_step(root(), 1, {}, files); });

  EXPECT_TRUE(text.starts_with("storage: ")) << text;
  EXPECT_NE(text.find(manifest(1000).string()), std::string::npos) << text;
}

TEST_F(ChooseStepTest, LatestIsComparedAndNeverBelieved) {
  for (const int64_t step : {20, 1000}) write_step(step);
  const std::string newest = step_folder_name(1000);
  write_latest(newest + " 2cacd4b8\n");
  EXPECT_EQ(choose().warnings, Texts{});

  const Texts unfit{step_folder_name(20) + " 00000000\n", newest + " 2cacd4b9\n",
                    newest + " 2cacd4b8", "", std::string(5000, 'x')};
  for (const std::string& text : unfit) {
    write_latest(text);
    const Choice choice = choose();
    EXPECT_EQ(choice.folder, folder(1000));
    ASSERT_EQ(choice.warnings.size(), 1U) << text;
    EXPECT_NE(choice.warnings[0].find("LATEST"), std::string::npos);
  }
}

TEST_F(ChooseStepTest, LatestThatCannotBeReadIsAWarning) {
  write_step(1000);
  fs::create_directory(root() / kLatestName);

  const Choice choice = choose();

  EXPECT_EQ(choice.folder, folder(1000));
  ASSERT_EQ(choice.warnings.size(), 1U);
  EXPECT_TRUE(choice.warnings[0].starts_with("LATEST cannot be read: "));
}

}  // namespace
}  // namespace shardopt::checkpoint
