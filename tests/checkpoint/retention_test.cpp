// Which steps stay, and that nothing else is ever removed.
#include "retention.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/safetensors_bytes.h"
#include "checkpoint/save_cases.h"
#include "files.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/core/crc32c.h"
#include "shardopt/core/state_tree.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using Steps = std::vector<std::string>;

class RetentionTest : public testing::Test {
 protected:
  /// Each of them, with nothing removed.
  void save_steps(const std::vector<int64_t>& steps) {
    save_steps(steps, {.keep = 0, .block_bytes = 1 << 16});
  }
  void save_steps(const std::vector<int64_t>& steps, const SaveOptions& options) {
    Checkpointer checkpointer(root(), *alone_.front(), options);
    for (const int64_t step : steps) {
      checkpointer.save(step, numbered_state(step, 1, 0));
    }
  }

  /// Warnings.
  Steps retain(const RetentionRules& rules) { return retain(rules, files_); }
  Steps retain(const RetentionRules& rules, FileSystem& files) {
    Steps warnings;
    (void)apply_retention(open_root(files, root().string()), rules, warnings);
    return warnings;
  }

  Steps steps() const { return committed_steps(root()); }
  fs::path root() const { return scratch_.path(); }
  fs::path step(int64_t number) const { return root() / step_folder_name(number); }
  fs::path attempt_of(int64_t number) const {
    const auto file = open_step(step(number), posix_file_system());
    return step(number) / attempt_folder_name(file.manifest.attempt);
  }
  void damage(int64_t number) const {
    test::write_bytes(step(number) / kManifestName, "damaged");
  }

  test::FaultFileSystem files_;

 private:
  const test::ScratchDir scratch_{memory_folder()};
  const std::vector<std::unique_ptr<distributed::Communicator>> alone_ =
      distributed::make_thread_communicators(1);
};

TEST_F(RetentionTest, KeepsTheNewest) {
  save_steps({1, 2, 3, 4, 5});
  EXPECT_EQ(retain({.keep = 2}), Steps{});
  EXPECT_EQ(steps(), (Steps{"4", "5"}));
  EXPECT_EQ(garbage_in(root()), "");
}

TEST_F(RetentionTest, KeepsAllWhereKeepIsZero) {
  save_steps({1, 2, 3});
  retain({.keep = 0});
  EXPECT_EQ(steps(), (Steps{"1", "2", "3"}));
}

TEST_F(RetentionTest, KeepsMilestonesPinnedAndProtectedSteps) {
  save_steps({10, 11, 12, 20, 21, 22});
  test::write_bytes(step(11) / kPinName, "");
  retain({.keep = 1, .keep_every = 10, .protected_steps = {12}});
  EXPECT_EQ(steps(), (Steps{"10", "11", "12", "20", "22"}));
  EXPECT_TRUE(fs::exists(step(11) / kPinName));
}

// One that cannot be loaded is no replacement for one that can.
TEST_F(RetentionTest, CountsSoundStepsAlone) {
  save_steps({1, 2, 3, 4});
  damage(3);
  fs::remove(attempt_of(4) / data_file_name(0));
  retain({.keep = 1});
  EXPECT_EQ(steps(), (Steps{"2", "3!", "4!"}));
}

TEST_F(RetentionTest, RemovesDamagedStepsAsIfTheyWereSound) {
  save_steps({1, 2, 3, 4, 5});
  damage(2);
  damage(4);
  retain({.keep = 2});
  EXPECT_EQ(steps(), (Steps{"3", "4!", "5"}));
}

TEST_F(RetentionTest, RemovesNothingWhereNoStepIsSound) {
  save_steps({1, 2});
  damage(1);
  damage(2);
  fs::create_directory(step(3));
  retain({.keep = 1});
  EXPECT_EQ(steps(), (Steps{"1!", "2!"}));
  EXPECT_TRUE(fs::exists(step(3)));
}

TEST_F(RetentionTest, RemovesWhatDeadAttemptsAndLeftBranchesHaveLeft) {
  save_steps({1, 2});
  const std::string dead = attempt_folder_name(std::string(32, 'd'));
  for (const int64_t number : {1, 2, 3}) {
    fs::create_directories(step(number) / dead);
    test::write_bytes(step(number) / dead / data_file_name(7), "half");
    test::write_bytes(
        step(number) / temporary_name(kManifestName, std::string(32, 'd')), "half");
    test::write_bytes(step(number) / kStaleManifestName, "left");
  }
  EXPECT_NE(garbage_in(root()), "");
  EXPECT_EQ(retain({.keep = 0}), Steps{});
  EXPECT_EQ(garbage_in(root()), "");
  EXPECT_EQ(steps(), (Steps{"1", "2"}));
}

TEST_F(RetentionTest, LeavesFilesThatAreNotOfACheckpointAndSaysSo) {
  save_steps({1, 2});
  test::write_bytes(step(1) / "notes.txt", "mine");
  test::write_bytes(root() / "notes.txt", "mine");
  fs::create_directory(root() / "step_7");
  const Steps warnings = retain({.keep = 1});
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings.front(), "cannot remove an old step: " + step(1).string() +
                                  ": cannot remove the folder: Directory not empty");
  EXPECT_EQ(garbage_in(root()),
            "step_7 notes.txt step_000000000001 "
            "step_000000000001/notes.txt ");
}

TEST_F(RetentionTest, FollowsNoLink) {
  save_steps({1, 2, 3});
  const fs::path elsewhere = root() / "elsewhere";
  fs::create_directory(elsewhere);
  fs::rename(step(1), elsewhere / "step");
  fs::create_directory_symlink(elsewhere / "step", step(1));
  const fs::path data = attempt_of(2);
  fs::rename(data, elsewhere / "attempt");
  fs::create_directory_symlink(elsewhere / "attempt", data);
  const auto count = [&] {
    return std::distance(fs::recursive_directory_iterator(elsewhere), {});
  };
  const auto before = count();
  EXPECT_EQ(retain({.keep = 1}).size(), 2u);
  EXPECT_EQ(count(), before);
}

// A step that the disk does not show for a moment is no garbage.
TEST_F(RetentionTest, RemovesNothingThatStaysWhicheverCallFails) {
  save_steps({10, 11, 12, 13});
  test::write_bytes(step(11) / kPinName, "");
  const RetentionRules rules{.keep = 2, .keep_every = 10};
  for (const int error : {EIO, EACCES, EMFILE}) {
    bool has_struck = true;
    int64_t call = 1;
    for (; has_struck; ++call) {
      files_.set_fault({.call = call, .error = error});
      (void)test::failure_of([&] { retain(rules); });
      has_struck = files_.has_failed();
      files_.set_fault({});
      EXPECT_EQ(steps(), (Steps{"10", "11", "12", "13"})) << "call " << call;
    }
    EXPECT_GT(call, 30);
  }
}

// Whatever call fails, what is half removed is no step, and goes the next time.
TEST_F(RetentionTest, GoesOnWhereItFailed) {
  bool has_struck = true;
  for (int64_t call = 1; has_struck; ++call) {
    save_steps({3 * call, 3 * call + 1, 3 * call + 2});
    files_.set_fault({.call = call, .error = EIO});
    (void)test::failure_of([&] { retain({.keep = 1}); });
    has_struck = files_.has_failed();
    files_.set_fault({});
    for (const std::string& left : steps()) EXPECT_FALSE(left.ends_with("!")) << left;
    EXPECT_EQ(steps().back(), std::to_string(3 * call + 2));
    EXPECT_EQ(retain({.keep = 1}), Steps{});
    EXPECT_EQ(steps().size(), 1u);
    EXPECT_EQ(garbage_in(root()), "");
  }
}

// It would be removed by the next save: so it is not saved.
TEST_F(RetentionTest, RefusesAnOlderNumberWithoutABranch) {
  save_steps({8, 9});
  const auto alone = distributed::make_thread_communicators(1);
  const std::string failure = test::failure_of(
      [&] { save(root(), 5, StateTree{.kind = "any"}, *alone.front()); });
  EXPECT_TRUE(failure.starts_with("mismatch: ")) << failure;
  EXPECT_NE(failure.find("later steps are there: 8, 9"), std::string::npos) << failure;
  EXPECT_EQ(steps(), (Steps{"8", "9"}));
}

// A newer format, say: it may be sound for another program.
TEST_F(RetentionTest, LeavesNoStepUnaskedThatIsNotDamaged) {
  save_steps({8});
  const fs::path manifest = step(8) / "MANIFEST";
  std::string bytes = test::read_bytes(manifest);
  bytes[8] = 2;  // The major version; the frame's own CRC is made anew.
  const uint32_t crc = crc32c(bytes.data(), 28);
  std::memcpy(bytes.data() + 28, &crc, sizeof crc);
  test::write_bytes(manifest, bytes);
  const auto alone = distributed::make_thread_communicators(1);
  Checkpointer checkpointer(root(), *alone.front(), {.keep = 1});
  const std::string failure =
      test::failure_of([&] { checkpointer.begin_branch(5, false); });
  EXPECT_NE(failure.find("later steps are there: 8"), std::string::npos) << failure;
  checkpointer.begin_branch(8, false);
  checkpointer.save(9, StateTree{.kind = "any"});
  EXPECT_EQ(steps(), (Steps{"8!", "9"}));
}

TEST_F(RetentionTest, PruningTakesTheLockAndSaysWhatWent) {
  save_steps({1, 2, 3});
  damage(1);
  const auto removed = prune_steps(root(), 1, files_);
  EXPECT_EQ(removed, (std::vector<fs::path>{step(1), step(2)}));
  const auto alone = distributed::make_thread_communicators(1);
  const Checkpointer holder(root(), *alone.front());
  EXPECT_TRUE(
      test::failure_of([&] { prune_steps(root(), 1, files_); }).starts_with("busy: "));
  EXPECT_THROW(prune_steps(root(), 0, files_), c10::Error);
}

}  // namespace
}  // namespace shardopt::checkpoint
