#include "support/mpi_launcher.h"

#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "support/child_process.h"
#include "support/scratch_dir.h"

namespace shardopt::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr char kRank[] = "OMPI_COMM_WORLD_RANK";
constexpr char kSize[] = "OMPI_COMM_WORLD_SIZE";
constexpr char kScratch[] = "SHARDOPT_TEST_SCRATCH";
// For survivors that come to the end of the body a little later.
constexpr std::chrono::seconds kStragglers{10};

fs::path mark_of(const std::string& scratch_dir, int rank) {
  return fs::path(scratch_dir) / ("passed-" + std::to_string(rank));
}

struct Outcome {
  std::string exit;
  std::string log;
  std::vector<int> passed{};
};

Outcome run_as_parent(int size, std::chrono::seconds timeout) {
  const ScratchDir logs;
  const ScratchDir scratch;
  const std::string scratch_dir = scratch.path().string();
  const fs::path log = logs.path() / "mpirun";
  const pid_t mpirun = start_process(
      SHARDOPT_TEST_MPIEXEC,
      {"mpirun", "--oversubscribe", "--bind-to", "none", "--tag-output", "-n",
       std::to_string(size), fs::read_symlink("/proc/self/exe").string(),
       current_test_filter()},
      {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
       std::string(kScratch) + "=" + scratch_dir},
      log);
  Outcome outcome{.exit = wait_for_exit(mpirun, Clock::now() + timeout),
                  .log = read_file(log)};
  for (int rank = 0; rank < size; ++rank) {
    if (fs::exists(mark_of(scratch_dir, rank))) outcome.passed.push_back(rank);
  }
  return outcome;
}

bool is_rank() { return std::getenv(kRank) != nullptr; }

void run_as_rank(const RankBody& body, const std::vector<int>& survivors) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // Do not outlive a killed launcher.
  const RankEnvironment env{std::atoi(std::getenv(kRank)),
                            std::atoi(std::getenv(kSize)), std::getenv(kScratch)};
  body(env);
  if (testing::Test::HasFailure()) return;
  std::ofstream(mark_of(env.scratch_dir, env.rank)).flush();
  const auto deadline = Clock::now() + kStragglers;
  const auto has_passed = [&](int rank) {
    return fs::exists(mark_of(env.scratch_dir, rank));
  };
  while (!std::ranges::all_of(survivors, has_passed) && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

void run_mpi_ranks(int size, const RankBody& body, std::chrono::seconds timeout) {
  if (is_rank()) return run_as_rank(body, {});
  const Outcome outcome = run_as_parent(size, timeout);
  EXPECT_EQ(outcome.exit, "exit code 0") << outcome.log;
  EXPECT_EQ(static_cast<int>(outcome.passed.size()), size) << outcome.log;
}

void run_failing_mpi_ranks(int size, const std::vector<int>& survivors,
                           const RankBody& body, std::chrono::seconds timeout) {
  if (is_rank()) return run_as_rank(body, survivors);
  const Outcome outcome = run_as_parent(size, timeout);
  EXPECT_EQ(outcome.exit.find("exit code "), 0) << outcome.exit << '\n' << outcome.log;
  EXPECT_NE(outcome.exit, "exit code 0") << outcome.log;
  for (const int rank : survivors) {
    EXPECT_TRUE(std::ranges::count(outcome.passed, rank) == 1)
        << "rank " << rank << " failed\n"
        << outcome.log;
  }
}

}  // namespace shardopt::test
