#include "shardopt/config/checkpoint_options.h"

#include <algorithm>
#include <charconv>

#include "fail.h"

namespace shardopt::config {
namespace {

constexpr Range kCount{.min = 1.0};
constexpr Range kCountOrNone{.min = 0.0};
constexpr Range kLockSeconds{.min = 0.0, .max = 604800.0};  // A week.
constexpr Range kBudgetMib{.min = 1.0, .max = 1048576.0};   // A TiB.
constexpr Range kFallback{.min = 0.0, .max = 65536.0};

constexpr std::string_view kStepPrefix = "step=";

}  // namespace

std::vector<Option> options_of(CheckpointOptions& options) {
  return {
      make_option("path", options.path,
                  "Root folder of checkpoints; empty saves nothing."),
      make_option("every_steps", options.every_steps, kCountOrNone,
                  "Steps between saves; 0 saves at the end only."),
      make_option("every_seconds", options.every_seconds, kCountOrNone,
                  "Seconds between saves, by rank 0's clock; 0 is never."),
      make_option("keep", options.keep, kCountOrNone,
                  "Newest checkpoints that stay; while one is saved there is room for "
                  "one more; 0 keeps all."),
      make_option("keep_every", options.keep_every, kCountOrNone,
                  "Checkpoints of multiples of this step stay for ever; 0 is none."),
      make_option("async", options.async,
                  "Write while training goes on; the last one never is."),
      make_option(
          "resume", options.resume,
          "auto (newest sound step of path, else from the start), none, step=N, "
          "or a path: a root, or one step's folder."),
      make_option("lock_seconds", options.lock_seconds, kLockSeconds,
                  "Wait for another job that has the root."),
      make_option("discard_later", options.discard_later,
                  "Give up the steps of path after the one that is gone on from."),
      make_choice<SaveErrorPolicy>(
          "on_error", options.on_error,
          {{"warn", SaveErrorPolicy::kWarn}, {"abort", SaveErrorPolicy::kAbort}},
          "What a failed save leads to; that of the last one ends the job."),
      make_option("max_failures", options.max_failures, kCount,
                  "Failed saves in a row that end the job, under on_error warn."),
      make_choice<PendingPolicy>("pending", options.pending,
                                 {{"wait", PendingPolicy::kWait},
                                  {"skip", PendingPolicy::kSkip},
                                  {"fail", PendingPolicy::kFail}},
                                 "What a save does that is due while one is under way; "
                                 "fail is a failed save."),
      make_option("host_budget_mib", options.host_budget_mib, kBudgetMib,
                  "Memory for copies of what is saved, per rank."),
      make_option("max_fallback", options.max_fallback, kFallback,
                  "Damaged newer steps that resume auto may pass over."),
      make_option("direct_io", options.direct_io,
                  "Write past the page cache where the file system can."),
      make_option("check_space", options.check_space,
                  "Begin no save for which the disk has no room."),
      make_option("require_same_ranks", options.require_same_ranks,
                  "Go on from no checkpoint of another number of ranks or copies.")};
}

ResumeChoice parse_resume(const std::string& resume) {
  if (resume == "auto") return {};
  if (resume == "none") return {.kind = ResumeKind::kNone};
  if (resume.empty()) {
    fail("checkpoint.resume is empty; allowed: auto, none, step=N or a path");
  }
  if (!resume.starts_with(kStepPrefix)) {
    return {.kind = ResumeKind::kPath, .path = resume};
  }
  ResumeChoice choice{.kind = ResumeKind::kStep};
  const char* begin = resume.data() + kStepPrefix.size();
  const char* end = resume.data() + resume.size();
  const auto [stop, error] = std::from_chars(begin, end, choice.step);
  if (error != std::errc() || stop != end || choice.step < 0) {
    fail("checkpoint.resume is '", resume, "'; allowed: step=N with a whole N >= 0");
  }
  return choice;
}

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::string part = list.substr(begin, end - begin);
    const std::size_t first = part.find_first_not_of(' ');
    if (first != std::string::npos) {
      parts.push_back(part.substr(first, part.find_last_not_of(' ') + 1 - first));
    }
    begin = end + 1;
  }
  return parts;
}

}  // namespace shardopt::config
