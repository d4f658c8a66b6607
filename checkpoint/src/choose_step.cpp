#include "choose_step.h"

#include <array>
#include <cstdio>
#include <optional>
#include <utility>

#include "files.h"
#include "paths.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/root.h"
#include "shardopt/core/crc32c.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxLatestBytes = 4096;

// Looks for a step from the newest down.
class Search {
 public:
  Search(const fs::path& root, int max_fallback, const Damaged& damaged,
         FileSystem& files)
      : root_(root), max_fallback_(max_fallback), damaged_(damaged), files_(files) {}

  Choice run() {
    const std::vector<StepFolder> steps = list_steps(root_, files_);
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      if (!step->is_committed) continue;
      if (auto bytes = sound_manifest(*step)) {
        return choice(*step, std::move(*bytes));
      }
      ++passed_over_;
      if (passed_over_ > max_fallback_) refuse();
    }
    if (passed_over_ > 0) refuse();
    SHARDOPT_CHECKPOINT_FAIL(Fault::kIncomplete, root_.string(),
                             ": it holds no checkpoint");
  }

 private:
  // Nullopt if it is damaged, which is noted.
  std::optional<std::string> sound_manifest(const StepFolder& step) {
    const auto known = damaged_.find(step.path.string());
    if (known != damaged_.end()) {
      note(Fault::kCorrupt, known->second);
      return std::nullopt;
    }
    try {
      ManifestFile file = open_step(step.path, files_);
      if (file.manifest.step == step.step) return std::move(file.bytes);
      note(Fault::kCorrupt, step.problem);
    } catch (const CheckpointFailure& error) {
      const bool hides =
          error.fault() == Fault::kUnsupported || error.fault() == Fault::kStorage;
      if (hides) throw;
      note(error.fault(), error.what_without_backtrace());
    }
    return std::nullopt;
  }

  void note(Fault fault, const std::string& problem) {
    if (problems_.empty()) first_fault_ = fault;
    problems_.push_back(problem);
  }

  [[noreturn]] void refuse() const {
    SHARDOPT_CHECKPOINT_FAIL(first_fault_, "the newest step of ", root_.string(),
                             " is damaged: ", problems_.front(), " (", passed_over_,
                             " damaged, at most ", max_fallback_,
                             " may be passed over)");
  }

  Choice choice(const StepFolder& step, std::string bytes) const {
    Choice result{
        .folder = step.path, .manifest_bytes = std::move(bytes), .is_of_root = true};
    for (const std::string& problem : problems_) {
      result.warnings.push_back("damaged, passed over: " + problem);
    }
    const std::string hint = problem_of_latest(step.path.filename().string());
    if (!hint.empty() && problems_.empty()) result.warnings.push_back(hint);
    return result;
  }

  // It is written after MANIFEST: an old one is what a crash leaves.
  [[nodiscard]] std::string problem_of_latest(const std::string& chosen) const {
    try {
      const Handle root = open_root(files_, root_.string());
      if (!exists(root, kLatestName)) return "";
      const std::string text = read_small_file(root, kLatestName, kMaxLatestBytes);
      std::array<char, 16> crc{};
      std::snprintf(crc.data(), crc.size(), " %08x\n",
                    crc32c(chosen.data(), chosen.size()));
      if (text == chosen + crc.data()) return "";
      return "LATEST does not name " + chosen + ", the newest step; it is not believed";
    } catch (const CheckpointFailure& error) {
      return c10::str("LATEST cannot be read: ", error.what_without_backtrace());
    }
  }

  const fs::path root_;
  const int max_fallback_;
  const Damaged& damaged_;
  FileSystem& files_;
  int passed_over_ = 0;
  Fault first_fault_ = Fault::kCorrupt;
  std::vector<std::string> problems_;
};

}  // namespace

Choice choose_step(const fs::path& path, int max_fallback, const Damaged& damaged,
                   FileSystem& files) {
  if (exists(open_root(files, path.string()), kManifestName)) {
    return {.folder = path, .manifest_bytes = open_step(path, files).bytes};
  }
  return Search(path, max_fallback, damaged, files).run();
}

}  // namespace shardopt::checkpoint
