#include "lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "support/fault_file_system.h"
#include "support/scratch_dir.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using distributed::Communicator;
using test::failure_of;
using test::FaultFileSystem;
using test::FileCall;

constexpr std::chrono::seconds kNoWait{0};
const std::string kOurselves = c10::str("process ", ::getpid());

class LockTest : public testing::Test {
 protected:
  std::string failure_at(const fs::path& root) {
    return failure_of([&] { const RootLock lock(files_, root.string(), kNoWait); });
  }

  FaultFileSystem files_;
  const test::ScratchDir scratch_{memory_folder()};
  const fs::path root_ = scratch_.path() / "root";
};

TEST_F(LockTest, MakesTheRootWithItsParents) {
  const RootLock lock(files_, (root_ / "a" / "b").string() + "/", kNoWait);

  EXPECT_TRUE(fs::exists(root_ / "a" / "b" / "LOCK"));
  EXPECT_TRUE(exists(lock.root(), "LOCK"));
}

TEST_F(LockTest, TakesARootThatIsALink) {
  fs::create_directory(scratch_.path() / "real");
  fs::create_directory_symlink("real", root_);
  const RootLock lock(files_, root_.string(), kNoWait);

  EXPECT_TRUE(fs::exists(scratch_.path() / "real" / "LOCK"));
}

TEST_F(LockTest, SecondHolderIsToldWhoHasIt) {
  const RootLock lock(files_, root_.string(), kNoWait);
  const std::string failure = failure_at(root_);

  EXPECT_TRUE(
      failure.starts_with("busy: " + root_.string() + ": another job has it (host "))
      << failure;
  EXPECT_TRUE(failure.ends_with(kOurselves + "); waited for 0 s")) << failure;
}

TEST_F(LockTest, EndsWithItsHolder) {
  { const RootLock lock(files_, root_.string(), kNoWait); }

  EXPECT_EQ(failure_at(root_), "no failure");
}

TEST_F(LockTest, WaitsForAHolderThatGoes) {
  auto first = std::make_optional<RootLock>(files_, root_.string(), kNoWait);
  auto second = std::async(std::launch::async, [&] {
    return failure_of(
        [&] { const RootLock lock(files_, root_.string(), std::chrono::seconds(20)); });
  });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(50)),
            std::future_status::timeout);
  first.reset();

  EXPECT_EQ(second.get(), "no failure");
}

// The child takes the lock as RootLock does, with calls that are safe after a fork.
TEST_F(LockTest, EndsWithAProcessThatIsKilled) {
  fs::create_directory(root_);
  const std::string path = (root_ / "LOCK").string();
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT, 0666);
    if (::flock(file, LOCK_EX | LOCK_NB) != 0 || ::write(ready[1], "x", 1) != 1)
      ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_TRUE(failure_at(root_).starts_with("busy: "));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);

  EXPECT_EQ(failure_at(root_), "no failure");
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(LockTest, RefusesARootThatIsNoFolder) {
  std::ofstream(root_) << "text";

  EXPECT_TRUE(failure_at(root_).starts_with("unsafe path: " + root_.string()));
  EXPECT_TRUE(failure_at(root_ / "below").starts_with("unsafe path: "));
}

TEST_F(LockTest, RefusesALockThatIsALink) {
  fs::create_directory(root_);
  std::ofstream(scratch_.path() / "precious") << "text";
  fs::create_symlink("../precious", root_ / "LOCK");

  EXPECT_TRUE(
      failure_at(root_).starts_with("unsafe path: " + root_.string() + "/LOCK"));
  EXPECT_EQ(fs::file_size(scratch_.path() / "precious"), 4u);
}

TEST_F(LockTest, RootWithoutPermissionIsNamed) {
  files_.set_fault({.kind = FileCall::kMkdir, .error = EACCES});
  EXPECT_EQ(failure_at(root_), "storage: " + root_.string() +
                                   ": cannot make the folder: Permission denied");

  files_.set_fault({.kind = FileCall::kOpen, .error = EACCES});
  EXPECT_EQ(failure_at(root_),
            "storage: " + root_.string() + "/LOCK: cannot open it: Permission denied");
}

TEST_F(LockTest, FileSystemWithoutLocksIsNamed) {
  files_.set_fault({.kind = FileCall::kFlock, .error = ENOLCK});

  EXPECT_EQ(failure_at(root_),
            "storage: " + root_.string() + "/LOCK: cannot lock it: No locks available");
}

// All names below the root, in order.
std::string names_below(const fs::path& root) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    names.insert(entry.path().lexically_relative(root).string());
  }
  return c10::Join("\n", names);
}

TEST_F(LockTest, SecondJobIsRefusedOnEveryRankAndDeletesNothing) {
  const SaveOptions options{.keep = 1, .lock_wait = kNoWait, .block_bytes = 1 << 16};
  test::run_thread_ranks(2, [&](Communicator& first) {
    Checkpointer holder(root_, first, options);
    holder.save(1, numbered_state(1, 2, first.rank()));
    if (first.rank() == 0) {
      fs::create_directories(root_ / "step_000000000009" /
                             ("a-" + std::string(32, '0')));
      const std::string before = names_below(root_);
      test::run_thread_ranks(2, [&](Communicator& second) {
        const std::string failure =
            failure_of([&] { const Checkpointer other(root_, second, options); });
        EXPECT_TRUE(failure.starts_with("busy: rank 0: " + root_.string())) << failure;
        EXPECT_NE(failure.find(kOurselves), std::string::npos) << failure;
      });
      EXPECT_EQ(names_below(root_), before);
    }
    first.barrier()->wait();
    EXPECT_TRUE(holder.save(2, numbered_state(2, 2, first.rank())).warnings.empty());
  });
  EXPECT_EQ(load_number(root_), 2);
  EXPECT_EQ(garbage_in(root_), "");
}

}  // namespace
}  // namespace shardopt::checkpoint
