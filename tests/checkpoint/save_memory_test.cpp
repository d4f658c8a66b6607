// How much memory a save takes.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "checkpoint/save_cases.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "support/gated_file_system.h"
#include "support/scratch_dir.h"

namespace shardopt::checkpoint {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kSlackBytes = 64 * kMiB;  // For threads, plans and the allocator.

// Peak memory of this process since forget_peak.
int64_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

bool forget_peak() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

// While the disk takes nothing, copying goes on as far as the budget allows.
TEST(SaveMemoryTest, StaysWithinTheBudgetAnd64MiB) {
  constexpr int64_t kBudget = 32 * kMiB;
  const test::ScratchDir scratch(memory_folder());
  test::GatedFileSystem files;
  const auto alone = distributed::make_thread_communicators(1);
  StateTree state{.kind = "training"};
  const at::Tensor rows = at::ones({256 * 1024, 256});  // 256 MiB
  state.tensors.emplace("rows",
                        StateTensor{rows, Spread::kCut, Shard({0, rows.size(0)}, 0)});
  Checkpointer checkpointer(scratch.path(), *alone.front(),
                            {.host_budget_bytes = kBudget, .files = &files});
  if (!forget_peak()) GTEST_SKIP() << "/proc/self/clear_refs cannot be written";
  const int64_t before = peak_bytes();
  files.close_gate();
  checkpointer.start(1, state, "");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  files.open_gate();
  ASSERT_TRUE(checkpointer.finish().has_value());

  EXPECT_GT(before, 256 * kMiB);
  EXPECT_LE(peak_bytes() - before, kBudget + kSlackBytes);
}

}  // namespace
}  // namespace shardopt::checkpoint
