#include "choose_step.h"

#include <optional>
#include <utility>

#include "files.h"
#include "paths.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/root.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxLatestBytes = 4096;
constexpr int kMostScans = 4;

// One look at all steps, from the newest down.
class Search {
 public:
  Search(const fs::path& root, int max_fallback, const Damaged& damaged,
         FileSystem& files)
      : root_(root), max_fallback_(max_fallback), damaged_(damaged), files_(files) {}

  // Nullopt if a step went while it was looked at: there may be newer ones by now.
  std::optional<Choice> run() {
    const std::vector<StepFolder> steps = list_steps(root_, files_);
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      if (!step->is_committed) continue;
      if (auto bytes = sound_manifest(*step)) {
        return choice(*step, std::move(*bytes));
      }
      if (is_gone(*step)) return std::nullopt;
      if (static_cast<int>(passed_over_.size()) > max_fallback_) refuse();
    }
    if (!passed_over_.empty()) refuse();
    SHARDOPT_CHECKPOINT_FAIL(Fault::kIncomplete, root_.string(),
                             ": it holds no checkpoint");
  }

 private:
  struct PassedOver {
    int64_t step;
    Fault fault;
    std::string problem;
  };

  // Nullopt if it is damaged, and passed over.
  std::optional<std::string> sound_manifest(const StepFolder& step) {
    const auto known = damaged_.find(step.path.string());
    if (known != damaged_.end()) {
      pass_over(step, Fault::kCorrupt, known->second);
      return std::nullopt;
    }
    try {
      ManifestFile file = open_step(step.path, files_);
      if (file.manifest.step == step.step) return std::move(file.bytes);
      pass_over(step, Fault::kCorrupt, step.problem);
    } catch (const CheckpointFailure& error) {
      const bool hides =
          error.fault() == Fault::kUnsupported || error.fault() == Fault::kStorage;
      if (hides) throw;
      pass_over(step, error.fault(), error.what_without_backtrace());
    }
    return std::nullopt;
  }

  // Retention removes MANIFEST first.
  [[nodiscard]] bool is_gone(const StepFolder& step) const {
    if (passed_over_.back().fault != Fault::kIncomplete) return false;
    const Handle root = open_root(files_, root_.string());
    const std::string name = step.path.filename().string();
    return !exists(root, name) || !exists(open_folder(root, name), kManifestName);
  }

  void pass_over(const StepFolder& step, Fault fault, const std::string& problem) {
    passed_over_.push_back({step.step, fault, problem});
  }

  [[noreturn]] void refuse() const {
    const PassedOver& newest = passed_over_.front();
    SHARDOPT_CHECKPOINT_FAIL(newest.fault, "the newest step of ", root_.string(),
                             " is damaged: ", newest.problem, " (", passed_over_.size(),
                             " damaged, at most ", max_fallback_,
                             " may be passed over)");
  }

  Choice choice(const StepFolder& step, std::string bytes) const {
    Choice result{
        .folder = step.path, .manifest_bytes = std::move(bytes), .is_of_root = true};
    for (const PassedOver& newer : passed_over_) {
      result.warnings.push_back(c10::str("damaged: ", newer.problem, "; ",
                                         newer.step - step.step, " steps lost"));
    }
    if (!passed_over_.empty()) return result;
    const std::string hint = problem_of_latest(step.path.filename().string());
    if (!hint.empty()) result.warnings.push_back(hint);
    return result;
  }

  // It is written after MANIFEST: an old one is what a crash leaves.
  [[nodiscard]] std::string problem_of_latest(const std::string& chosen) const {
    try {
      const Handle root = open_root(files_, root_.string());
      if (!exists(root, kLatestName)) return "";
      const std::string text = read_small_file(root, kLatestName, kMaxLatestBytes);
      if (text == latest_text(chosen)) return "";
      return "LATEST does not name " + chosen + ", the newest step; it is not believed";
    } catch (const CheckpointFailure& error) {
      return c10::str("LATEST cannot be read: ", error.what_without_backtrace());
    }
  }

  const fs::path root_;
  const int max_fallback_;
  const Damaged& damaged_;
  FileSystem& files_;
  std::vector<PassedOver> passed_over_;
};

}  // namespace

Choice choose_step(const fs::path& path, int max_fallback, const Damaged& damaged,
                   FileSystem& files) {
  if (exists(open_root(files, path.string()), kManifestName)) {
    return {.folder = path, .manifest_bytes = open_step(path, files).bytes};
  }
  for (int scan = 0; scan < kMostScans; ++scan) {
    if (auto choice = Search(path, max_fallback, damaged, files).run()) return *choice;
  }
  SHARDOPT_CHECKPOINT_FAIL(Fault::kIncomplete, path.string(),
                           ": its steps go before they can be looked at");
}

}  // namespace shardopt::checkpoint
