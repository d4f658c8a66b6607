#include "retention.h"

#include <algorithm>
#include <filesystem>

#include "lock.h"
#include "paths.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/root.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;

bool is_sound(const StepFolder& step) {
  return step.is_committed && step.problem.empty();
}

// `newer`: how many sound steps come after it.
bool stays(const StepFolder& step, int64_t newer, const RetentionRules& rules) {
  if (step.is_pinned || rules.protected_steps.contains(step.step)) return true;
  if (!step.is_committed) return false;
  if (step.is_unreadable) return true;
  const bool is_milestone = rules.keep_every > 0 && step.step % rules.keep_every == 0;
  return is_milestone || rules.keep == 0 || newer < rules.keep;
}

}  // namespace

std::vector<std::string> apply_retention(const Handle& root,
                                         const RetentionRules& rules,
                                         std::vector<std::string>& warnings) {
  const std::vector<StepFolder> steps = list_steps(root.path(), root.files());
  int64_t newer = std::ranges::count_if(steps, is_sound);
  std::vector<std::string> removed;
  if (newer == 0) return removed;
  for (const StepFolder& step : steps) {
    if (is_sound(step)) --newer;
    const std::string name = step.path.filename().string();
    try {
      if (!stays(step, newer, rules)) {
        remove_step(root, name);
        removed.push_back(name);
      } else if (is_sound(step)) {
        remove_other_attempts(open_folder(root, name), step.attempt);
      }
    } catch (const CheckpointFailure& error) {
      warnings.push_back("cannot remove an old step: " +
                         std::string(error.what_without_backtrace()));
    }
  }
  return removed;
}

void remove_step(const Handle& root, const std::string& name) {
  {
    const Handle step = open_folder(root, name);
    remove_file(step, kManifestName);
    sync(step);
    remove_other_attempts(step, "");
  }
  remove_folder(root, name);
}

void remove_other_attempts(const Handle& step, const std::string& attempt) {
  const std::string own = attempt_folder_name(attempt);
  for (const std::string& name : list(step)) {
    if (is_temporary(name) || name == kStaleManifestName) remove_file(step, name);
    if (is_attempt_folder(name) && name != own) remove_attempt(step, name);
  }
}

void remove_attempt(const Handle& step, const std::string& folder_name) {
  if (!exists(step, folder_name)) return;
  {
    const Handle attempt = open_folder(step, folder_name);
    for (const std::string& name : list(attempt)) {
      if (is_data_file(name)) remove_file(attempt, name);
    }
  }
  remove_folder(step, folder_name);
}

std::vector<fs::path> prune_steps(const fs::path& root, int64_t keep,
                                  FileSystem& files) {
  TORCH_CHECK(keep >= 1, "steps to keep: ", keep, "; allowed: >= 1");
  (void)open_root(files, root.string());  // The lock would make it.
  const RootLock lock(files, root.string(), std::chrono::seconds(0));
  std::vector<std::string> warnings;
  const auto names = apply_retention(lock.root(), {.keep = keep}, warnings);
  if (!warnings.empty()) SHARDOPT_CHECKPOINT_FAIL(Fault::kStorage, warnings.front());
  std::vector<fs::path> removed;
  for (const std::string& name : names) removed.push_back(root / name);
  return removed;
}

}  // namespace shardopt::checkpoint
