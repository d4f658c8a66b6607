/// One save, from its start to its commit.
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agree.h"
#include "commit.h"
#include "files.h"
#include "flat_state.h"
#include "save_job.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/checkpoint/rank_group.h"

namespace shardopt {
struct StateTree;
}

namespace shardopt::checkpoint {

/// What a save is made from.
struct SaveRequest {
  int64_t step = 0;
  const StateTree& state;
  const std::string& config_text;
  int64_t budget_bytes = 0;
  bool checks_all_replicas = false;  ///< Large tensors too.
  std::vector<LeftStep> left_steps{};
  RetentionRules retention{};
};

/// A save under way. Collective where it says so; then its failure is thrown on every
/// rank, and what it has left is removed.
///
/// Thread safety: none.
class SaveUnderWay {
 public:
  /// Pre-flight, folders, and the start of the writing. Nothing is made if the
  /// pre-flight fails. `root` outlives this. Collective.
  SaveUnderWay(const Handle& root, const RankGroup& ranks, const SaveOptions& options,
               const SaveRequest& request);

  void wait_copied();

  /// The report once this has ended. Collective.
  std::optional<SaveReport> poll();

 private:
  void check(const SaveOptions& options, const SaveRequest& request,
             const FlatState& flat);
  void make_attempt_folder();
  void start_job(const SaveOptions& options, const SaveRequest& request, FlatState flat,
                 DataLayout layout);
  [[nodiscard]] bool poll_writing();
  void start_commit();
  [[nodiscard]] bool poll_commit();
  void stop_and_fail(const Failure& own);
  void fail(const Failure& own);
  void remove_remains() noexcept;
  [[nodiscard]] SaveReport finished();

  const Handle& root_;
  const RankGroup ranks_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Commit commit_;  // Until the commit begins.
  std::string attempt_;
  SaveReport report_;
  std::optional<SaveJob> job_;
  std::future<std::vector<std::string>> committing_;  // On rank 0, once it has begun.
  bool is_failing_ = false;                           // A rank has failed: all stop.
  bool is_committing_ = false;
};

}  // namespace shardopt::checkpoint
