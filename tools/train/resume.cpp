#include "train/resume.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <c10/util/StringUtil.h>

#include "shardopt/checkpoint/load.h"
#include "shardopt/checkpoint/root.h"
#include "shardopt/config/config_changes.h"
#include "shardopt/config/print_config.h"
#include "shardopt/distributed/small_messages.h"
#include "train/agreement.h"

namespace shardopt::train {
namespace {

namespace fs = std::filesystem;
using config::ResumeChoice;
using config::ResumeKind;

// What rank 0 finds, on every rank.
bool is_so_on_rank_0(const distributed::Mesh& mesh,
                     const std::function<bool()>& is_so) {
  std::string answer;
  run_agreed(mesh.world(), [&] {
    if (mesh.rank() == 0) answer = is_so() ? "yes" : "no";
  });
  return distributed::broadcast_text(mesh.world(), answer) == "yes";
}

// Of a root, or a step's folder; nullopt if there is none. Damaged ones too: they are
// for `load` to judge.
std::optional<int64_t> newest_step(const fs::path& path) {
  checkpoint::FileSystem& files = checkpoint::posix_file_system();
  if (fs::exists(path / "MANIFEST")) {
    return checkpoint::open_step(path, files).manifest.step;
  }
  std::optional<int64_t> newest;
  std::error_code error;
  if (!fs::exists(path, error)) return newest;
  for (const auto& step : checkpoint::list_steps(path, files)) {
    if (step.is_committed) newest = step.step;
  }
  return newest;
}

// Whether the root has steps after the one that was asked for. If a job may not discard
// such steps, they are its own.
bool has_later_steps(const ResumeChoice& choice, const fs::path& root) {
  const std::optional<int64_t> asked =
      choice.kind == ResumeKind::kPath ? newest_step(choice.path) : choice.step;
  return newest_step(root) > asked;
}

// The choice in force: a job that its launcher has started again goes on from what it
// has saved since.
ResumeChoice choose(const config::CheckpointOptions& options, const fs::path& root,
                    const Job& job) {
  const ResumeChoice choice = config::parse_resume(options.resume);
  const bool is_restarted = job.meeting.launch.restart_count > 0;
  if (!is_restarted || options.discard_later) return choice;
  const auto has_later = [&] { return has_later_steps(choice, root); };
  return is_so_on_rank_0(*job.mesh, has_later) ? ResumeChoice() : choice;
}

// Nullopt: a fresh start.
std::optional<fs::path> source_of(const ResumeChoice& choice, const fs::path& root,
                                  const distributed::Mesh& mesh) {
  const auto has_steps = [&] { return newest_step(root).has_value(); };
  switch (choice.kind) {
    case ResumeKind::kAuto:
      return is_so_on_rank_0(mesh, has_steps) ? std::optional(root) : std::nullopt;
    case ResumeKind::kNone:
      return std::nullopt;
    case ResumeKind::kStep:
      return root / checkpoint::step_folder_name(choice.step);
    case ResumeKind::kPath:
      break;
  }
  return choice.path;
}

void report(const checkpoint::LoadReport& loaded, const config::TrainConfig& config,
            Reporter& reporter) {
  for (const std::string& warning : loaded.warnings) reporter.warn(warning);
  reporter.line(
      c10::str("resumed from step ", loaded.step, " (", loaded.folder.string(), ")"));
  const auto changes =
      config::config_changes(loaded.config_text, config::print_config(config));
  if (!changes.empty()) {
    reporter.line("resumed with other settings: " + c10::Join(", ", changes));
  }
  if (!loaded.per_rank_skipped.empty() && config.model.dropout > 0.0) {
    reporter.line("other ranks than before: dropout goes on with new masks");
  }
}

}  // namespace

int64_t resume(const config::TrainConfig& config, const Job& job, Trainer& trainer,
               Saving& saving, Reporter& reporter) {
  const distributed::Mesh& mesh = *job.mesh;
  const config::CheckpointOptions& options = config.checkpoint;
  checkpoint::Checkpointer& checkpointer = saving.checkpointer();
  const ResumeChoice choice = choose(options, checkpointer.root(), job);
  const auto source = source_of(choice, checkpointer.root(), mesh);
  if (!source) {
    checkpointer.begin_branch(0, options.discard_later);
    return 0;
  }
  StateTree state;
  const auto destination = [&](const StateTree& saved) {
    trainer.check_state(saved);
    return trainer.state();
  };
  const auto loaded =
      checkpoint::load(*source, destination, state, mesh,
                       {.require_same_ranks = options.require_same_ranks,
                        .max_fallback = static_cast<int>(options.max_fallback)});
  trainer.load_state(state);
  if (!loaded.per_rank_skipped.empty()) trainer.derive_dropout();
  // What is newer in a root that was searched is damaged: it may go.
  const fs::path& root = checkpointer.root();
  checkpointer.begin_branch(loaded.step, options.discard_later || *source == root);
  if (loaded.folder == root / checkpoint::step_folder_name(loaded.step)) {
    saving.skip_step(loaded.step);
  }
  report(loaded, config, reporter);
  return loaded.step;
}

}  // namespace shardopt::train
