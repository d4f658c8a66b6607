#include <cstdio>
#include <string>

#include <c10/util/StringUtil.h>

#include "checkpoint/commands.h"
#include "checkpoint/step_path.h"
#include "console.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/inspect.h"
#include "shardopt/checkpoint/root.h"

namespace shardopt::checkpoint_tool {
namespace {

namespace fs = std::filesystem;
using namespace shardopt::checkpoint;

// Returns whether the step is sound; says so.
bool verify_one(const fs::path& folder, int threads, train::Console& console) {
  const std::string name = folder.string();
  int64_t all_bytes = 0;
  const auto progress = [&](int64_t done_bytes, int64_t total_bytes) {
    all_bytes = total_bytes;
    console.live(name + ": " + format_bytes(done_bytes) + " of " +
                 format_bytes(total_bytes));
  };
  try {
    verify_step(folder, posix_file_system(), threads, progress);
  } catch (const CheckpointFailure& error) {
    console.line(c10::str(name, ": ", fault_name(error.fault()), ": ",
                          error.what_without_backtrace()));
    return false;
  }
  console.line(name + ": sound, " + format_bytes(all_bytes) + " read");
  return true;
}

}  // namespace

int verify(const fs::path& path, int threads) {
  train::Console console;
  if (is_step(path)) return verify_one(path, threads, console) ? kFine : kDifferent;
  int committed = 0;
  bool is_sound = true;
  for (const StepFolder& step : list_steps(path, posix_file_system())) {
    if (!step.is_committed) {
      console.line(step.path.string() + ": not committed, no checkpoint");
      continue;
    }
    ++committed;
    is_sound = verify_one(step.path, threads, console) && is_sound;
  }
  if (committed == 0) {
    SHARDOPT_CHECKPOINT_FAIL(Fault::kIncomplete, path.string(),
                             " is no checkpoint, and holds none");
  }
  return is_sound ? kFine : kDifferent;
}

}  // namespace shardopt::checkpoint_tool
