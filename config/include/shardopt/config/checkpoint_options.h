/// How a job saves its state, and from what it goes on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardopt/core/option.h"

namespace shardopt::config {

/// What a save that failed leads to, but the last one's, which ends the job.
enum class SaveErrorPolicy : uint8_t { kWarn, kAbort };

/// What happens when a save is due while one is under way.
enum class PendingPolicy : uint8_t {
  kWait,  ///< For that one's end.
  kSkip,  ///< This one is left out.
  kFail   ///< This one counts as one that failed.
};

struct CheckpointOptions {
  std::string path{};         ///< Empty: nothing is saved.
  int64_t every_steps = 0;    ///< 0: only at the end.
  int64_t every_seconds = 0;  ///< 0: not by the clock.
  int64_t keep = 3;           ///< 0: all.
  int64_t keep_every = 0;     ///< 0: none.
  bool async = true;
  std::string resume = "auto";  ///< Or "none", "step=N", a path.
  int64_t lock_seconds = 30;
  bool discard_later = false;
  SaveErrorPolicy on_error = SaveErrorPolicy::kWarn;
  int64_t max_failures = 3;
  PendingPolicy pending = PendingPolicy::kWait;
  int64_t host_budget_mib = 1024;
  int64_t max_fallback = 1;
  bool direct_io = true;
  bool check_space = true;
  bool require_same_ranks = false;
};

[[nodiscard]] std::vector<Option> options_of(CheckpointOptions& options);

enum class ResumeKind : uint8_t { kAuto, kNone, kStep, kPath };

/// What CheckpointOptions::resume says.
struct ResumeChoice {
  ResumeKind kind = ResumeKind::kAuto;
  int64_t step = 0;    ///< Of kStep.
  std::string path{};  ///< Of kPath: a root, or one step's folder.
};

/// Throws ConfigError, naming checkpoint.resume, if it is empty or N is no step.
[[nodiscard]] ResumeChoice parse_resume(const std::string& resume);

/// The parts of a list that commas separate, without spaces around them.
[[nodiscard]] std::vector<std::string> split_list(const std::string& list);

}  // namespace shardopt::config
