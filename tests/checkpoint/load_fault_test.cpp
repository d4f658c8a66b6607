// What is wrong with a step's files is found, named, and told alike on every rank.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/safetensors_bytes.h"
#include "checkpoint/save_cases.h"
#include "checkpoint/step_case.h"
#include "shardopt/checkpoint/inspect.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using distributed::Communicator;
using test::failure_of;
using test::FaultFileSystem;
using test::FileFault;

class LoadFaultTest : public testing::Test {
 protected:
  LoadFaultTest() { save_even_step(root(), 1); }

  fs::path root() const { return scratch_.path() / "root"; }
  fs::path step(int64_t number = 1) const { return root() / step_folder_name(number); }
  fs::path file(int rank) const { return data_path(step(), rank); }

  // Loading and verifying the step must both say this, and name `named`.
  void expect_both(const std::string& fault, const fs::path& named) const {
    for (const std::string& failure : {load_failure(step()), verify_failure(step())}) {
      EXPECT_TRUE(failure.starts_with(fault + ": ")) << failure;
      EXPECT_NE(failure.find(named.filename().string()), std::string::npos) << failure;
    }
  }

 private:
  const test::ScratchDir scratch_{memory_folder()};
};

// Each length of what is not data, and many of the rest.
std::vector<int64_t> lengths_below(int64_t bytes) {
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < bytes; i += i < 4200 ? 1 : 509) lengths.push_back(i);
  lengths.push_back(bytes - 1);
  return lengths;
}

TEST_F(LoadFaultTest, FindsAFileCutOffAtAnyLengthOrTooLong) {
  for (const fs::path& path : {step() / kManifestName, file(0), file(1)}) {
    const std::string bytes = test::read_bytes(path);
    for (const int64_t length : lengths_below(static_cast<int64_t>(bytes.size()))) {
      SCOPED_TRACE(c10::str(length, " bytes of ", path.filename().string()));
      test::write_bytes(path, bytes.substr(0, static_cast<std::size_t>(length)));
      expect_both("corrupt", path);
    }
    test::write_bytes(path, bytes + '\0');
    expect_both("corrupt", path);
    test::write_bytes(path, bytes);
  }
  EXPECT_EQ(load_failure(step()), "no failure");
  EXPECT_EQ(verify_failure(step()), "no failure");
}

TEST_F(LoadFaultTest, NamesWhatIsMissing) {
  const std::vector<fs::path> paths{file(1), file(0).parent_path(), step()};
  for (const fs::path& path : paths) {
    fs::rename(path, root() / "away");
    expect_both("incomplete", path);
    fs::rename(root() / "away", path);
  }
  EXPECT_EQ(load_failure(step()), "no failure");
}

TEST_F(LoadFaultTest, AFolderWithoutManifestHoldsNoCheckpoint) {
  fs::remove(step() / kManifestName);
  EXPECT_EQ(load_failure(step()),
            "incomplete: " + step().string() + ": it holds no checkpoint");
  const std::string failure = verify_failure(step());
  EXPECT_TRUE(failure.starts_with("incomplete: ")) << failure;
  EXPECT_NE(failure.find(kManifestName), std::string::npos) << failure;
}

TEST_F(LoadFaultTest, FindsFilesOfTwoRanksSwapped) {
  const fs::path first = file(0);
  const fs::path second = file(1);
  ASSERT_EQ(fs::file_size(first), fs::file_size(second));
  fs::rename(first, step() / "x");
  fs::rename(second, first);
  fs::rename(step() / "x", second);
  expect_both("corrupt", first);
}

// The later one has the same bytes of data: only headers tell them apart.
TEST_F(LoadFaultTest, FindsAFileOfAnotherStepOrAnotherRun) {
  save_even_step(root(), 2, 1);
  const fs::path other_run = root().parent_path() / "other";
  save_even_step(other_run, 1);
  for (const fs::path& other : {step(2), other_run / step_folder_name(1)}) {
    const std::string own = test::read_bytes(file(1));
    const std::string strange = test::read_bytes(data_path(other, 1));
    ASSERT_EQ(own.size(), strange.size());
    ASSERT_EQ(own.substr(4096), strange.substr(4096));
    test::write_bytes(file(1), strange);
    expect_both("corrupt", file(1));
    test::write_bytes(file(1), own);
  }
}

TEST_F(LoadFaultTest, FindsAManifestOfAnotherRun) {
  const fs::path other_run = root().parent_path() / "other";
  save_even_step(other_run, 1);
  fs::copy_file(other_run / step_folder_name(1) / kManifestName, step() / kManifestName,
                fs::copy_options::overwrite_existing);
  expect_both("incomplete",
              data_path(other_run / step_folder_name(1), 0).parent_path());
}

TEST_F(LoadFaultTest, FindsTwoBlocksOfAFileSwapped) {
  std::string bytes = test::read_bytes(file(1));
  ASSERT_EQ(bytes.size(), 4096U + 2 * kEvenBlock);
  for (std::size_t i = 4096; i < 4096 + kEvenBlock; ++i) {
    std::swap(bytes[i], bytes[i + kEvenBlock]);
  }
  test::write_bytes(file(1), bytes);
  expect_both("corrupt", file(1));
  EXPECT_NE(load_failure(step()).find("bytes 4096 to 69632 (tensor 'w', "),
            std::string::npos);
}

TEST_F(LoadFaultTest, EveryRankSaysTheSameOfWhatOneHasFound) {
  test::flip_bit(file(1), 4096 + 7, 0);
  test::run_thread_ranks(2, [&](Communicator& ranks) {
    StateTree state = empty_state(2, ranks.rank());
    const std::string failure =
        failure_of([&] { (void)load(step(), state, ranks, {}); });
    EXPECT_TRUE(failure.starts_with("corrupt: rank 1: " + file(1).string())) << failure;
  });
}

TEST_F(LoadFaultTest, EveryRankSaysWhichOneMayNotRead) {
  test::run_thread_ranks(2, [&](Communicator& ranks) {
    FaultFileSystem files;
    if (ranks.rank() == 1) files.set_fault({.error = EACCES, .goes_on = true});
    StateTree state = empty_state(2, ranks.rank());
    const std::string failure =
        failure_of([&] { (void)load(root(), state, ranks, {.files = &files}); });
    EXPECT_TRUE(failure.starts_with("storage: rank 1: ")) << failure;
    EXPECT_TRUE(failure.ends_with(std::strerror(EACCES))) << failure;
  });
}

// Two ranks load; the k-th call of either goes wrong, for every k until none is left.
// Returns what was thrown; where nothing was, the state must be right.
std::vector<std::string> fail_every_call(const fs::path& root, FileFault fault) {
  std::vector<std::string> failures;
  FaultFileSystem files;
  bool has_struck = true;
  for (fault.call = 1; has_struck; ++fault.call) {
    SCOPED_TRACE(c10::str(std::strerror(fault.error), ", call ", fault.call));
    files.set_fault(fault);
    test::run_thread_ranks(2, [&](Communicator& ranks) {
      StateTree state = empty_state(2, ranks.rank());
      const std::string failure = failure_of([&] {
        (void)load(root, state, ranks, {.max_fallback = 0, .files = &files});
      });
      if (failure == "no failure") {
        EXPECT_TRUE(is_even_state(state, 1));
      } else if (ranks.rank() == 0) {
        failures.push_back(failure);
      }
    });
    has_struck = files.has_failed();
  }
  EXPECT_GT(fault.call, 20);
  return failures;
}

TEST_F(LoadFaultTest, EveryCallThatFailsIsToldWithItsError) {
  for (const int error : {EIO, EACCES, EMFILE, ENOMEM}) {
    const auto failures = fail_every_call(root(), {.error = error});
    EXPECT_GT(failures.size(), 10U);
    for (const std::string& failure : failures) {
      EXPECT_TRUE(failure.starts_with("storage: rank ")) << failure;
      EXPECT_TRUE(failure.ends_with(std::strerror(error))) << failure;
    }
  }
}

TEST_F(LoadFaultTest, AFileThatIsGoneIsNeverAWrongState) {
  for (const std::string& failure : fail_every_call(root(), {.error = ENOENT})) {
    EXPECT_TRUE(failure.starts_with("incomplete: rank 0: ")) << failure;
  }
}

TEST_F(LoadFaultTest, InterruptedAndShortReadsGoOn) {
  EXPECT_EQ(fail_every_call(root(), {.error = EINTR}), std::vector<std::string>{});
  FaultFileSystem files;
  files.set_fault({.is_short = true, .goes_on = true});
  EXPECT_EQ(load_failure(root(), {.files = &files}), "no failure");
  EXPECT_TRUE(files.has_failed());
}

}  // namespace
}  // namespace shardopt::checkpoint
