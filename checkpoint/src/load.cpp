#include "shardopt/checkpoint/load.h"

#include <algorithm>
#include <utility>

#include "agree.h"
#include "block_reader.h"
#include "choose_step.h"
#include "flat_state.h"
#include "match_state.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/manifest.h"
#include "shardopt/checkpoint/root.h"
#include "shardopt/distributed/small_messages.h"
#include "step_files.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostListed = 20;
constexpr int kMostRescans = 3;  // For steps that are removed while they are read.

std::string listing(const std::vector<std::string>& problems) {
  std::string text;
  for (std::size_t i = 0; i < std::min(problems.size(), kMostListed); ++i) {
    text += (i == 0 ? "" : "; ") + problems[i];
  }
  if (problems.size() > kMostListed) {
    text += c10::str("; and ", problems.size() - kMostListed, " more");
  }
  return text;
}

// One step, tried to be loaded by all ranks.
class Loading {
 public:
  Loading(const fs::path& path, const Destination& destination, RankGroup ranks,
          const LoadOptions& options)
      : path_(path),
        destination_(destination),
        ranks_(ranks),
        options_(options),
        files_(options.files != nullptr ? *options.files : posix_file_system()) {}

  // A root's step that turns out to be damaged, or goes meanwhile, is not the last
  // word.
  LoadReport run(StateTree& state) {
    while (true) {
      choose();
      try {
        return load_chosen(state);
      } catch (const CheckpointFailure& error) {
        if (!choice_.is_of_root || !is_reading_ || !may_go_on(error.fault())) throw;
        if (error.fault() == Fault::kIncomplete) continue;
        damaged_.emplace(choice_.folder.string(), error.what_without_backtrace());
      }
    }
  }

 private:
  // What is not there any more may have been removed by the job that writes.
  bool may_go_on(Fault fault) {
    if (fault == Fault::kIncomplete) return ++rescans_ <= kMostRescans;
    return fault == Fault::kCorrupt;
  }

  void choose() {
    is_reading_ = false;
    choice_ = {};
    auto& world = ranks_.world();
    agree_slowly(world, [&] {
      if (ranks_.rank() != 0) return;
      choice_ = choose_step(path_, options_.max_fallback, damaged_, files_);
    });
    choice_.folder = distributed::broadcast_text(world, choice_.folder.string());
    choice_.manifest_bytes = distributed::broadcast_text(world, choice_.manifest_bytes);
    choice_.is_of_root =
        distributed::min_over_ranks(
            world, ranks_.rank() == 0 && !choice_.is_of_root ? 0 : 1) == 1;
  }

  LoadReport load_chosen(StateTree& state) {
    auto& world = ranks_.world();
    StateTree tree;
    Match match;
    agree(world, [&] {
      manifest_ = parse_manifest(choice_.manifest_bytes,
                                 (choice_.folder / "MANIFEST").string());
      check_ranks();
      tree = destination_(unflatten(manifest_, ranks_.rank()));
      (void)flatten(tree);  // Refuses what is no state.
      match = match_state(manifest_, tree, options_, ranks_.rank(), ranks_.size());
      if (match.problems.empty()) return;
      SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, choice_.folder.string(),
                               " does not fit: ", listing(match.problems));
    });
    LoadReport report{.step = manifest_.step,
                      .folder = choice_.folder,
                      .config_text = manifest_.config_text,
                      .skipped = std::move(match.skipped),
                      .per_rank_skipped = std::move(match.per_rank_skipped),
                      .warnings = choice_.warnings};
    is_reading_ = true;
    agree_slowly(world, [&] {
      StepFiles files(files_, choice_.folder, manifest_);
      report.bytes = read_targets(files, manifest_, match.targets, options_.threads);
    });
    state = std::move(tree);
    return report;
  }

  void check_ranks() const {
    const StoredMesh& saved = manifest_.mesh;
    const bool is_same =
        saved.world_size == ranks_.size() && saved.copies == ranks_.copies();
    if (is_same || !options_.require_same_ranks) return;
    SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, choice_.folder.string(), " is of ",
                             saved.world_size, " ranks in ", saved.copies,
                             " copies, here are ", ranks_.size(), " in ",
                             ranks_.copies(), " (the same are required)");
  }

  const fs::path path_;
  const Destination& destination_;
  const RankGroup ranks_;
  const LoadOptions& options_;
  FileSystem& files_;
  Choice choice_;
  Manifest manifest_;
  bool is_reading_ = false;
  Damaged damaged_;
  int rescans_ = 0;
};

}  // namespace

LoadReport load(const fs::path& path, const Destination& destination, StateTree& state,
                RankGroup ranks, const LoadOptions& options) {
  TORCH_CHECK(options.threads >= 1 && options.threads <= 64, "LoadOptions::threads is ",
              options.threads, "; allowed: 1 to 64");
  TORCH_CHECK(options.max_fallback >= 0, "LoadOptions::max_fallback is ",
              options.max_fallback, "; allowed: >= 0");
  return Loading(path, destination, ranks, options).run(state);
}

LoadReport load(const fs::path& path, StateTree& state, RankGroup ranks,
                const LoadOptions& options) {
  StateTree filled;
  const auto as_it_is = [&](const StateTree&) { return state; };
  LoadReport report = load(path, as_it_is, filled, ranks, options);
  state = std::move(filled);
  return report;
}

}  // namespace shardopt::checkpoint
