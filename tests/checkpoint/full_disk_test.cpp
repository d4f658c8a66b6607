// Disks that are full in earnest: a small tmpfs of the test's own, and the limit that a
// user may have on the size of files.
#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "support/child_process.h"
#include "support/scratch_dir.h"
#include "support/thread_ranks.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using distributed::Communicator;
using test::failure_of;

constexpr int kRanks = 2;
constexpr char kFolder[] = "SHARDOPT_SMALL_DISK";

/// A numbered state (see numbered_state) and `bytes` bytes, cut.
StateTree state_of(int64_t bytes, int64_t number, const Communicator& ranks) {
  StateTree state = numbered_state(number, ranks.size(), ranks.rank());
  const Shard shard(distributed::chunk_offsets(bytes, ranks.size()), ranks.rank());
  state.tensors.emplace("bulk",
                        StateTensor{at::full({shard.local_rows()}, number, at::kByte),
                                    Spread::kCut, shard});
  return state;
}

// The number of the newest step; -1 if not every byte has it.
int64_t load_bulk(const fs::path& root, int64_t bytes) {
  const auto alone = distributed::make_thread_communicators(1);
  StateTree state = state_of(bytes, 0, *alone.front());
  (void)load(root, state, *alone.front(), {.max_fallback = 0});
  const auto number = state.value<int64_t>("value");
  return at::all(state.tensors.at("bulk").tensor == number).item<bool>() ? number : -1;
}

// On a disk of 8 MiB one step of 3 MB fits beside another, one of 7 MB does not.
void fill_up(const fs::path& root) {
  test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
    int64_t step = 0;
    for (const bool is_direct : {true, false}) {
      Checkpointer checkpointer(
          root, ranks, {.keep = 1, .direct_io = is_direct, .check_space = false});
      ++step;
      checkpointer.save(step, state_of(3'000'000, step, ranks));
      const std::string failure = failure_of(
          [&] { checkpointer.save(step + 1, state_of(7'000'000, 0, ranks)); });
      EXPECT_TRUE(failure.starts_with("storage: rank ")) << failure;
      EXPECT_TRUE(failure.ends_with(": No space left on device")) << failure;
      if (ranks.rank() != 0) continue;
      EXPECT_EQ(load_bulk(root, 3'000'000), step);
      EXPECT_EQ(garbage_in(root), "");
    }
  });
}

// With the check of the space nothing is begun, and the numbers are said.
void refuse_to_begin(const fs::path& root) {
  test::run_thread_ranks(kRanks, [&](Communicator& ranks) {
    Checkpointer checkpointer(root, ranks);
    const std::string failure =
        failure_of([&] { checkpointer.save(9, state_of(7'000'000, 0, ranks)); });
    EXPECT_NE(failure.find(" of data), the disk has "), std::string::npos) << failure;
    EXPECT_FALSE(fs::exists(root / step_folder_name(9)));
  });
}

// Runs this test again in a name space of its own, where `folder` is a disk of 8 MiB.
// "exit code 77" if this machine does not allow it.
std::string run_on_small_disk(const fs::path& folder, const fs::path& log) {
  const std::string script =
      "unshare -Urm true || exit 77; exec unshare -Urm sh -c 'mount -t tmpfs -o "
      "size=8m tmpfs \"$SHARDOPT_SMALL_DISK\" || exit 77; exec \"$0\" \"$1\"' "
      "\"$0\" \"$1\"";
  const pid_t child = test::start_process(
      "/bin/sh",
      {"sh", "-c", script, fs::read_symlink("/proc/self/exe").string(),
       test::current_test_filter()},
      {std::string(kFolder) + "=" + folder.string()}, log);
  return test::wait_for_exit(
      child, std::chrono::steady_clock::now() + std::chrono::minutes(1));
}

TEST(FullDiskTest, FailsWithTheSystemsWordsAndKeepsWhatWasThere) {
  if (const char* folder = std::getenv(kFolder)) {
    fill_up(fs::path(folder) / "root");
    refuse_to_begin(fs::path(folder) / "root");
    return;
  }
  const test::ScratchDir scratch;
  const fs::path log = scratch.path() / "log";
  fs::create_directory(scratch.path() / "disk");
  const std::string end = run_on_small_disk(scratch.path() / "disk", log);
  if (end == "exit code 77") GTEST_SKIP() << "no name space: " << test::read_file(log);
  EXPECT_EQ(end, "exit code 0") << test::read_file(log);
}

/// Files of this process may not become longer, while this lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_;
};

TEST(FullDiskTest, FileLongerThanTheUserMayMakeFailsTheSave) {
  const test::ScratchDir scratch;
  test::run_thread_ranks(1, [&](Communicator& alone) {
    Checkpointer checkpointer(scratch.path(), alone, {.check_space = false});
    checkpointer.save(1, state_of(3'000'000, 1, alone));
    {
      const FileSizeLimit limit(1'000'000);
      const std::string failure =
          failure_of([&] { checkpointer.save(2, state_of(3'000'000, 2, alone)); });
      EXPECT_TRUE(failure.ends_with(": File too large")) << failure;
    }
    EXPECT_EQ(load_bulk(scratch.path(), 3'000'000), 1);
    EXPECT_EQ(garbage_in(scratch.path()), "");
  });
}

}  // namespace
}  // namespace shardopt::checkpoint
